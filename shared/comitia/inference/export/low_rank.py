"""Adapters in a graph: for each product, what the adapters of its tokens add to it.

y = x @ W^T + ((x @ A) * mask[adapters]) @ B, where A and B hold the factors of all adapters side by
side and a row of `mask` is an adapter's scale on its own columns and 0 on the others. So one run
takes any mix of adapters and reads all factors once; row 0 of the mask, the bare base, is zeros,
and what is added there is exactly 0.
"""

from collections.abc import Sequence

import numpy as np

from comitia.inference.export.adapters import Adapter
from comitia.inference.export.graph import Graph
from comitia.inference.export.shape import Floats

INPUT = "adapters"


class LowRank:
    """The part of `adapters` in `graph`."""

    def __init__(self, graph: Graph, adapters: Sequence[Adapter]) -> None:
        self._graph, self._adapters = graph, adapters
        # Places of a mask by its bytes: one table and one lookup serve all layers that agree.
        self._masks: dict[bytes, str] = {}

    def changes(self, stems: Sequence[str]) -> bool:
        """Whether some adapter changes one of these projections."""
        return any(stem in adapter.factors for adapter in self._adapters for stem in stems)

    def add(self, x: str, base: str, parts: Sequence[tuple[str, int]], y: str) -> str:
        """y = `base` + what the adapters add to the projections of `x`. `parts`: each projection
        and its outputs, in the order in which they are joined.
        """
        graph, width = self._graph, sum(outputs for _, outputs in parts)
        down, up, scales = [], [], []
        start = 0
        for stem, outputs in parts:
            for number, adapter in enumerate(self._adapters, 1):
                factors = adapter.factors.get(stem)
                if factors is None:
                    continue
                rank = len(factors.down)
                rows = np.zeros((rank, width), np.float32)
                rows[:, start : start + outputs] = factors.up.T
                scale = np.zeros((1 + len(self._adapters), rank), np.float32)
                scale[number] = adapter.scale
                down.append(factors.down)
                up.append(rows)
                scales.append(scale)
            start += outputs
        mask = self._mask(np.concatenate(scales, axis=1))
        inner = graph.weight(f"{y}.lora_a", np.concatenate(down).T)
        outer = graph.weight(f"{y}.lora_b", np.concatenate(up))
        short = graph.op("MatMul", [x, inner], f"{y}.short")
        chosen = graph.op("Mul", [short, mask], f"{y}.chosen")
        return graph.op("Add", [base, graph.op("MatMul", [chosen, outer], f"{y}.added")], y)

    def _mask(self, table: Floats) -> str:
        """The row of each token's adapter."""
        key = table.tobytes()
        if key not in self._masks:
            name = f"{INPUT}.{len(self._masks)}"
            graph = self._graph
            graph.weight(f"{name}.table", table)
            self._masks[key] = graph.op("Gather", [f"{name}.table", INPUT], name, axis=0)
        return self._masks[key]
