"""Running a graph that was just built, for the checks of the export: texts in, outputs out.

The only place of the export that knows how a graph of each contract is fed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from comitia.errors import ConfigError
from comitia.inference.cache import CpuCache
from comitia.inference.encoder import SessionStates
from comitia.inference.export.graph import MODEL
from comitia.inference.export.shape import Floats, Shape
from comitia.inference.placement import graph_of
from comitia.inference.runner import CHUNK_TOKENS_MAX, Feed, RowRunner
from comitia.inference.session import Threads, open_session, runtime_errors

Texts = Sequence[Sequence[int]]


class DecoderRun:
    """A decoder's graph on the CPU, with room for `rows` texts of up to `tokens` tokens. `kind`:
    numbers of its cache.
    """

    def __init__(self, model: Path, shape: Shape, rows: int, tokens: int, kind: Any) -> None:
        sizes = {"layers": shape.layers, "kv_heads": shape.kv_heads, "head_dim": shape.head_dim}
        if model.name == MODEL:
            model = graph_of(model.parent, "rows")
        session = open_session(model, Threads(), "cpu")
        self._runner = RowRunner(session, CpuCache(sizes, rows, tokens + CHUNK_TOKENS_MAX, kind))

    def logits(
        self, texts: Texts, places: Sequence[Sequence[int]], adapter: int = 0
    ) -> list[Floats]:
        """Of each text float32[places, vocab], all texts side by side, each read in two pieces so
        that the second builds on the cache. A text has at least two tokens.

        Raises ConfigError where ONNX Runtime cannot run the graph.
        """
        found: list[list[Floats]] = [[] for _ in texts]
        cuts = [min(len(text) // 2, CHUNK_TOKENS_MAX) for text in texts]
        ends = [len(text) for text in texts]
        for lows, highs in (([0] * len(texts), cuts), (cuts, ends)):
            feeds = []
            for row, (text, low, high) in enumerate(zip(texts, lows, highs, strict=True)):
                wanted = [place - low for place in places[row] if low <= place < high]
                feeds.append(Feed(row, low, text[low:high], wanted, adapter))
            try:
                outcome = self._runner.run(feeds, logits=True)
            except runtime_errors() as error:
                raise ConfigError(f"ONNX Runtime cannot run the graph: {error}") from error
            assert outcome.logits is not None, "they were asked for"
            starts = np.cumsum([len(feed.wanted) for feed in feeds])[:-1]
            for row, piece in enumerate(np.split(outcome.logits.copy(), starts)):
                found[row].append(piece)
        return [np.concatenate(pieces) for pieces in found]


def encoder_run(model: Path, texts: Texts) -> list[Floats]:
    """Of each text float32[tokens, hidden] by an encoder's graph, all texts in one batch."""
    longest = max(map(len, texts))
    ids, mask = np.zeros((2, len(texts), longest), np.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    states = SessionStates(open_session(model, Threads(), "cpu"))(ids, mask)
    return [states[row, : len(text)] for row, text in enumerate(texts)]
