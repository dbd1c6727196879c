"""Random schedules on a real graph with random weights: a request beside others gets what it gets
alone, and the graph touches no memory but where its new tokens go.

The cache is full of numbers that are none to begin with: whoever reads what nobody wrote says so.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comitia.inference.cache import CpuCache
from comitia.inference.export.make import export
from comitia.inference.limits import Limits
from comitia.inference.runner import CHUNK_TOKENS_MAX, Feed, Outcome, RowRunner
from comitia.inference.session import Threads, open_session
from comitia.inference.text import Text
from comitia.ports import Prompt, Sampling
from tests.unit.inference_models import CONTEXT, card_of, decoder_config, write_decoder
from tests.unit.inference_trials import Ask, Told, Trial, told

# Float32 sums in another order, on summed log-likelihoods of the order of 100.
TOLERANCE = 1e-3
# A machine may have other things to do. Always the same schedules: of many more, one day two tokens
# are as likely as each other but for the order of sums.
SLOW = [HealthCheck.too_slow]
PREFIXES = ["", "see:", "see: one two", "see: one two three four", "other " * 6]
TEXTS = ["", "x", "b c", "yes", "and then some more", "long " * 7]
PROMPTS = st.builds(Prompt, st.sampled_from(PREFIXES), st.sampled_from(TEXTS))
OPTIONS = st.lists(st.sampled_from(["b", " yes", " no", "some words"]), min_size=1, max_size=4)
SAMPLINGS = st.builds(
    Sampling, st.integers(1, 24), st.sampled_from([0.0, 0.0, 0.9]), st.integers(0, 3)
)
ASKS = st.one_of(
    st.builds(Ask, PROMPTS, OPTIONS.map(tuple)), st.builds(Ask, PROMPTS, sampling=SAMPLINGS)
)
LIMITS = st.builds(
    Limits, rows=st.integers(1, 5), shelves=st.integers(0, 2), chunk_tokens=st.integers(1, 40),
    mixed_tokens=st.integers(1, 12),
)  # fmt: skip
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), ASKS),
        st.tuples(st.just("steps"), st.integers(1, 8)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
    ),
    min_size=8,
    max_size=30,
)


class Guarded:
    """A runner that looks at all of the cache before and after each run."""

    def __init__(self, runner: RowRunner, cache: CpuCache) -> None:
        self.adapters: Mapping[str, int] = {}
        self._runner, self._cells = runner, cache._array
        self._cells[:] = np.nan

    def run(self, feeds: Sequence[Feed], *, logits: bool) -> Outcome:
        before = self._cells.copy()
        outcome = self._runner.run(feeds, logits=logits)
        for feed in feeds:
            end = feed.past + len(feed.tokens)
            new = self._cells[:, :, feed.row, :, feed.past : end]
            assert np.isfinite(new).all(), "what is new is there"
            before[:, :, feed.row, :, feed.past : end] = new
        np.testing.assert_array_equal(self._cells, before, "and nothing else has changed")
        return outcome


class Bench:
    """A built model, and cores on it."""

    def __init__(self, folder: Path) -> None:
        write_decoder(folder / "weights", decoder_config("qwen3"), seed=3)
        built = export(card_of(folder / "weights"), folder)
        self._shape = built.manifest.shape
        self._session = open_session(built.folder / "model.onnx", Threads(1), "cpu")
        self._text = Text(built.folder, "tiny")
        self.alone = lru_cache(10_000)(self._alone)

    def trial(self, limits: Limits, cache_tokens: int) -> Trial:
        rows = limits.rows + limits.shelves
        cache = CpuCache(self._shape, rows, CONTEXT + CHUNK_TOKENS_MAX)
        runner = Guarded(RowRunner(self._session, cache), cache)
        return Trial(self._text, runner, cache, limits, cache_tokens)

    def _alone(self, ask: Ask) -> Told:
        made = self.trial(Limits(rows=1, shelves=0), 512)
        request = made.ask(ask)
        made.finish()
        return told(request)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("graph"))


@given(limits=LIMITS, buckets=st.integers(2, 8), events=EVENTS)
@settings(deadline=None, max_examples=40, derandomize=True, suppress_health_check=SLOW)
def test_each_request_gets_from_a_graph_what_it_gets_alone(
    bench: Bench, limits: Limits, buckets: int, events: list[tuple[str, Any]]
) -> None:
    made = bench.trial(limits, buckets * 64)
    for kind, what in events:
        if kind == "ask":
            made.ask(what)
        elif kind == "steps":
            for _ in range(what):
                made.step()
        else:
            for request in made.requests[what : what + 1]:
                request.job.future.cancel()
    made.finish()
    for request in made.requests:
        if not request.job.cancelled:
            assert told(request).like(bench.alone(request.ask), TOLERANCE), request.ask
