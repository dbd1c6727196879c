"""A Llama-family decoder as one fused graph, written straight from its weights.

Contract "rows": N tokens of any mix of rows in one list, B rows of cache with up to S new tokens
each, K places whose logits are wanted, T tokens of cache a row:
    in   input_ids int64[N]; spread int64[B, S] = for each new place of each row its token's place
         in the list (any where a row has fewer); gathered int64[N] = b*S + s of each token;
         seqlens_k int32[B] = tokens in the row after this step, less 1; query_seqlens int32[B] =
         new tokens of the row, 0 where it idles; total_len int32[1], at least the longest row after
         this step and S; logit_idx int64[K] = places in the list;
         past_key_values.<i>.key|value [B, kv_heads, T, head_dim], float32 or what the form says;
         with adapters also adapters int64[N] = number of each token's adapter, 0 for none
    out  logits float32[K, vocab]; next_ids int64[K], the most likely token; sums float32[K], the
         sum of the logits, not finite where one of them is not;
         present.<i>.key|value, to be bound to the memory of past_key_values, where
         GroupQueryAttention then writes new tokens in place
Only attention sees rows: it alone is padded to S, everything else works on the N tokens that are.
One layer: RMSNorm, q|k|v in one product (apart where q and k are normalised), GroupQueryAttention
with the rotary positions inside, output product, SkipSimplifiedLayerNormalization with the
residual, gate|up, SiLU(gate) * up, down. Only the wanted positions reach the head. Embedding and
head have 8 bits in both packed forms. In fp16 and bf16 all floats are of 16 bits but the logits.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper

from comitia.errors import ConfigError
from comitia.inference.export.adapters import Adapter
from comitia.inference.export.blocks import BLOCK, Blocks
from comitia.inference.export.formed import Formed
from comitia.inference.export.graph import Graph
from comitia.inference.export.low_rank import INPUT, LowRank
from comitia.inference.export.plain import write_plain
from comitia.inference.export.shape import Shape
from comitia.inference.runner import CHUNK_TOKENS_MAX


def build_decoder(
    weights: Formed, folder: Path, context_tokens: int, adapters: Sequence[Adapter] = ()
) -> dict[str, int]:
    """Write model.onnx, plain.onnx and their data into `folder`; how many nodes of each operator
    each holds. Adapters are numbered from 1, in their order.

    Raises ConfigError where the form or the context does not suit the model.
    """
    shape = weights.shape
    if weights.packs and shape.hidden % BLOCK:
        raise ConfigError(
            f"Hidden size {shape.hidden} is no multiple of {BLOCK}; set 'recipe.form: fp32' in the "
            "card."
        )
    if context_tokens > shape.positions:
        raise ConfigError(
            f"The model reads {shape.positions} tokens, the card asks for {context_tokens}; lower "
            "'recipe.context_tokens'."
        )
    with Graph(folder, weights.floats) as graph:
        builder = _Decoder(graph, weights, LowRank(graph, adapters))
        builder.rotary_tables(context_tokens)
        state, branch = builder.embedding(), None
        for layer in range(shape.layers):
            state, branch = builder.layer(layer, state, branch)
        builder.head(state, branch)
        inputs, outputs = _interface(shape, weights.floats)
        if adapters:
            inputs.append(helper.make_tensor_value_info(INPUT, TensorProto.INT64, ["N"]))
        graph.save(inputs, outputs)
        write_plain(folder)
        return dict(graph.counts())


class _Decoder:
    """The parts of the graph, in the order in which they are called."""

    def __init__(self, graph: Graph, weights: Formed, adapters: LowRank) -> None:
        self._graph, self._weights, self._shape = graph, weights, weights.shape
        self._adapters = adapters
        self._tied = not weights.has("output.weight")

    def rotary_tables(self, positions: int) -> None:
        """cos and sin, float32[positions + padding, head_dim / 2]; inside the model file, so that
        the data file holds weights alone. What pads a row has positions behind its last one.
        """
        every = np.arange(positions + CHUNK_TOKENS_MAX, dtype=np.float32)
        angles = np.outer(every, self._shape.inverse_frequency)
        self._graph.weight("cos", np.cos(angles), inline=True)
        self._graph.weight("sin", np.sin(angles), inline=True)

    def embedding(self) -> str:
        """Rows of the table; int8 blocks, shared with the head where the two are tied, unless the
        form holds floats.
        """
        graph, name = self._graph, "token_embd"
        if not self._weights.packs:
            table = graph.weight(f"{name}.weight", self._weights.given(f"{name}.weight"))
            return graph.op("Gather", [table, "input_ids"], name)
        blocks = self._weights.pack([f"{name}.weight"], bytes_only=True)
        _, scale = graph.blocks(name, blocks)
        flat = graph.alias(f"{name}.flat", f"{name}.q", (len(blocks.q), blocks.q[0].size))
        sizes = {"bits": 8, "block_size": BLOCK, "gather_axis": 0, "quantize_axis": 1}
        return graph.op("GatherBlockQuantized", [flat, "input_ids", scale], name, **sizes)

    def layer(self, number: int, state: str, branch: str | None) -> tuple[str, str]:
        """One layer on `state` + `branch`; the new state and the branch still to be added to it."""
        graph, shape, stem = self._graph, self._shape, f"blk.{number}"
        normed, state = self._norm(state, branch, f"{stem}.attn_norm")
        window = shape.windows[number]
        queries = [name and self._spread(name) for name in self._queries(normed, stem)]
        # Between the tables and query_seqlens stand position_ids, attention_bias, head_sink, the
        # scales of a rounded cache and the weights of q_norm and k_norm: unused.
        padded = graph.op(
            "GroupQueryAttention",
            [
                *queries,
                *(f"past_key_values.{number}.{part}" for part in ("key", "value")),
                *("seqlens_k", "total_len", "cos", "sin", *[""] * 7, "query_seqlens"),
            ],
            [f"{stem}.padded", f"present.{number}.key", f"present.{number}.value"],
            num_heads=shape.heads,
            kv_num_heads=shape.kv_heads,
            scale=shape.head_dim**-0.5,
            do_rotary=1,
            rotary_interleaved=0,
            **({} if window is None else {"local_window_size": window}),
        )
        width = graph.numbers(-1, shape.heads * shape.head_dim)
        flat = graph.op("Reshape", [padded, width], f"{stem}.places")
        attention = graph.op("Gather", [flat, "gathered"], f"{stem}.attn", axis=0)
        added = self._linear(attention, [f"{stem}.attn_output"], f"{stem}.attn_output")
        normed, state = self._norm(state, added, f"{stem}.ffn_norm")
        return state, self._feed_forward(normed, stem)

    def head(self, state: str, branch: str | None) -> None:
        """Final norm, then logits and the most likely token at the wanted positions."""
        graph, weights = self._graph, self._weights
        normed, _ = self._norm(state, branch, "output_norm")
        wanted = graph.op("Gather", [normed, "logit_idx"], "wanted", axis=0)
        stem = "token_embd" if self._tied else "output"
        if not weights.packs:
            table = graph.weight(f"{stem}.weight", weights.given(f"{stem}.weight"))
            wide = weights.floats == TensorProto.FLOAT
            graph.op("Gemm", [wanted, table], "logits" if wide else "short_logits", transB=1)
            if not wide:
                graph.op("Cast", ["short_logits"], "logits", to=TensorProto.FLOAT)
        else:
            blocks = weights.pack([f"{stem}.weight"], bytes_only=True)
            graph.product(wanted, graph.blocks(stem, blocks), blocks, "logits")
        graph.op("ArgMax", ["logits"], "next_ids", axis=-1, keepdims=0)
        graph.op("ReduceSum", ["logits", graph.numbers(-1)], "sums", keepdims=0)

    def _spread(self, x: str) -> str:
        """Tokens to their places in their rows: [N, width] to [B, S, width]."""
        return self._graph.op("Gather", [x, "spread"], f"{x}.spread", axis=0)

    def _queries(self, x: str, stem: str) -> list[str]:
        """query, key and value inputs; "" for key and value where one product holds all three."""
        if not self._weights.has(f"{stem}.attn_q_norm.weight"):
            return [
                self._linear(x, [f"{stem}.attn_{part}" for part in "qkv"], f"{stem}.attn_qkv"),
                "",
                "",
            ]
        graph, shape, parts = self._graph, self._shape, []
        for part, heads in (("q", shape.heads), ("k", shape.kv_heads)):
            name = f"{stem}.attn_{part}"
            flat = self._linear(x, [name], name)
            split = graph.op(
                "Reshape", [flat, graph.numbers(0, heads, shape.head_dim)], f"{name}.heads"
            )
            normed, _ = self._norm(split, None, f"{name}_norm")
            parts.append(
                graph.op(
                    "Reshape", [normed, graph.numbers(0, heads * shape.head_dim)], f"{name}.flat"
                )
            )
        return [*parts, self._linear(x, [f"{stem}.attn_v"], f"{stem}.attn_v")]

    def _feed_forward(self, x: str, stem: str) -> str:
        graph, gate, up = self._graph, f"{stem}.ffn_gate", f"{stem}.ffn_up"
        if not self._weights.packs:
            self._linear(x, [gate], gate)
            self._linear(x, [up], up)
        else:
            # One long product costs less than two; with floats the split costs what that saves.
            both = self._linear(x, [gate, up], f"{stem}.ffn_gate_up")
            graph.op("Split", [both], [gate, up], axis=-1, num_outputs=2)
        if self._weights.floats == TensorProto.BFLOAT16:
            # QuickGelu has no kernel for it.
            sigmoid = graph.op("Sigmoid", [gate], f"{stem}.sigmoid")
            silu = graph.op("Mul", [gate, sigmoid], f"{stem}.silu")
        else:
            # QuickGelu with alpha 1 is x * sigmoid(x): SiLU in one node.
            silu = graph.op("QuickGelu", [gate], f"{stem}.silu", alpha=1.0)
        return self._linear(
            graph.op("Mul", [silu, up], f"{stem}.act"), [f"{stem}.ffn_down"], f"{stem}.ffn_down"
        )

    def _norm(self, x: str, added: str | None, stem: str) -> tuple[str, str]:
        """RMSNorm(x + added), and x + added."""
        weight = self._graph.weight(f"{stem}.weight", self._weights.given(f"{stem}.weight"))
        epsilon = self._shape.epsilon
        if added is None:
            kind = "SimplifiedLayerNormalization"
            return self._graph.op(
                kind, [x, weight], stem, axis=-1, epsilon=epsilon, stash_type=1
            ), x
        total = f"{stem}.sum"
        kind = "SkipSimplifiedLayerNormalization"
        return self._graph.op(
            kind, [x, added, weight], [stem, "", "", total], epsilon=epsilon
        ), total

    def _linear(self, x: str, stems: Sequence[str], y: str) -> str:
        """y = x @ [w1; w2; ...]^T + [b1; b2; ...]: projections of one input as one product; and
        what adapters add to them.
        """
        weights = self._weights
        if self._adapters.changes(stems):
            parts = [(stem, len(weights.given(f"{stem}.weight"))) for stem in stems]
            return self._adapters.add(x, self._base(x, stems, f"{y}.base"), parts, y)
        return self._base(x, stems, y)

    def _base(self, x: str, stems: Sequence[str], y: str) -> str:
        """The projections without adapters."""
        graph, weights = self._graph, self._weights
        biased = weights.has(f"{stems[0]}.bias")
        end = f"{y}.product" if biased else y
        names = [f"{stem}.weight" for stem in stems]
        if not weights.packs:
            joined = np.concatenate([weights.given(name) for name in names])
            graph.op("MatMul", [x, graph.weight(f"{y}.weight", joined.T)], end)
        else:
            self._blockwise(x, weights.pack(names), y, end)
        if biased:
            bias = np.concatenate([weights.given(f"{stem}.bias") for stem in stems])
            graph.op("Add", [end, graph.weight(f"{y}.bias", bias)], y)
        return y

    def _blockwise(self, x: str, blocks: Blocks, y: str, end: str) -> None:
        """The product on blocks; offsets are added as (sum of x over each block) @ offset^T."""
        graph = self._graph
        if blocks.offset is None:
            graph.product(x, graph.blocks(f"{y}.weight", blocks), blocks, end)
            return
        graph.product(x, graph.blocks(f"{y}.weight", blocks), blocks, f"{y}.rounded")
        if not graph.has_output(f"{x}.sums"):
            split = graph.op(
                "Reshape", [x, graph.numbers(0, blocks.q.shape[1], BLOCK)], f"{x}.blocks"
            )
            graph.op("ReduceSum", [split, graph.numbers(2)], f"{x}.sums", keepdims=0)
        offset = graph.weight(f"{y}.offset", blocks.offset.T)
        graph.op(
            "Add", [f"{y}.rounded", graph.op("MatMul", [f"{x}.sums", offset], f"{y}.low")], end
        )


def _interface(shape: Shape, floats: int) -> tuple[list[ValueInfoProto], list[ValueInfoProto]]:
    """Inputs and outputs; the cache is of type `floats`."""
    info, longs = helper.make_tensor_value_info, TensorProto.INT64
    cache: list[str | int | None] = ["B", shape.kv_heads, "T", shape.head_dim]
    parts = [f"{layer}.{part}" for layer in range(shape.layers) for part in ("key", "value")]
    inputs = [
        info("input_ids", longs, ["N"]),
        info("spread", longs, ["B", "S"]),
        info("gathered", longs, ["N"]),
        info("seqlens_k", TensorProto.INT32, ["B"]),
        info("query_seqlens", TensorProto.INT32, ["B"]),
        info("total_len", TensorProto.INT32, [1]),
        info("logit_idx", longs, ["K"]),
    ]
    inputs += [info(f"past_key_values.{part}", floats, cache) for part in parts]
    outputs = [
        info("logits", TensorProto.FLOAT, ["K", shape.vocab]),
        info("next_ids", longs, ["K"]),
        info("sums", TensorProto.FLOAT, ["K"]),
    ]
    return inputs, outputs + [info(f"present.{part}", floats, cache) for part in parts]
