"""A decoder's graph that also tells where a token looks, opened when somebody asks.

It works on the memory of the graph that reads and writes: the prompt is read as any other, and its
last token once more by this graph, which puts the same keys and values in the same place. It holds
the weights a second time, so it is opened at the first question and kept.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from comitia.errors import ConfigError
from comitia.inference.cache import Cache
from comitia.inference.likelihood import not_finite
from comitia.inference.runner import Feed, Floats, RowRunner
from comitia.inference.text import Text
from comitia.inference.work import Reading
from comitia.ports import Attention, Usage

if TYPE_CHECKING:
    import onnxruntime

# The graph's file, beside the model's.
ATTENTION = "attention.onnx"


@runtime_checkable
class Attends(Protocol):
    """A runner that can tell where a token looks."""

    def attend(self, feed: Feed) -> Floats:
        """Of the one token of `feed` float32[layers, heads, past + 1]."""


def look_back(runner: object, text: Text, reading: Reading, cached: int) -> Attention:
    """What the last token of a prompt that was read sees. Raises ConfigError where the graph cannot
    tell, Poison (NOT_FINITE) where it gives what is no number.
    """
    if not isinstance(runner, Attends):
        raise ConfigError(
            "This model's graph gives no attention; set 'recipe.builder: direct' in its card."
        )
    tokens = reading.tokens
    last = Feed(reading.row, len(tokens) - 1, tokens[-1:], (0,), reading.adapter)
    probabilities = runner.attend(last)
    if not np.isfinite(probabilities).all():
        raise not_finite()
    names = tuple(text.token_text(token) for token in tokens)
    return Attention(names, probabilities, Usage(len(tokens), 0, cached))


class AttendingRunner(RowRunner):
    """`open_attention` opens the graph of export/attention.py; it may raise ConfigError."""

    def __init__(
        self,
        session: "onnxruntime.InferenceSession",
        cache: Cache,
        adapters: Mapping[str, int],
        open_attention: "Callable[[], onnxruntime.InferenceSession]",
    ) -> None:
        super().__init__(session, cache, adapters)
        self._open_attention = open_attention
        self._attention: onnxruntime.InferenceSession | None = None

    def attend(self, feed: Feed) -> Floats:
        """See Attends. Raises ConfigError where the graph cannot be opened."""
        if self._attention is None:
            self._attention = self._open_attention()
        session, (token,) = self._attention, feed.tokens
        binding = session.io_binding()
        self._cache.bind(binding, feed.row, feed.row + 1)
        alone = Feed(feed.row, feed.past, (token,), (0,), feed.adapter)
        inputs = self._inputs([alone], feed.row, 1)
        inputs.pop("query_seqlens", None)
        for name, array in inputs.items():
            binding.bind_cpu_input(name, array)
        names = [entry.name for entry in session.get_outputs()]
        looks = [name for name in names if name.startswith("attention.")]
        for name in looks:
            binding.bind_output(name, "cpu")
        session.run_with_iobinding(binding)
        found = binding.get_outputs()[-len(looks) :]
        layers = [layer.numpy()[0, :, 0, : feed.past + 1] for layer in found]
        return np.stack(layers).astype(np.float32)
