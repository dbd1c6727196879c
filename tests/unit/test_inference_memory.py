"""The cache's memory as the system counts it: what idle rows have touched is given back, so many
joins and leaves cost no more than the budget says.
"""

import ctypes
import mmap
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from comitia.inference.cache import CpuCache, token_bytes
from comitia.inference.limits import Limits
from comitia.inference.runner import Feed, Outcome
from comitia.ports import Prompt, Sampling
from tests.unit.inference_trials import Ask, StrictRunner, Trial, tiny_text

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the system is asked as Linux has it"
)
SHAPE = {"layers": 2, "kv_heads": 2, "head_dim": 64}
CONTEXT, CACHE_TOKENS = 1024, 16 * 64


def resident(cache: CpuCache) -> int:
    """Bytes of the cache that are in memory; mincore(2)."""
    address, size = cache._array.ctypes.data, cache._array.nbytes
    pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    failed = ctypes.CDLL(None).mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), pages)
    assert not failed
    return sum(page & 1 for page in pages) * mmap.PAGESIZE


class Touching(StrictRunner):
    """Writes into a real cache as a graph does."""

    def __init__(self, rows: int, cache: CpuCache) -> None:
        super().__init__(rows, CONTEXT)
        self._cache = cache

    def run(self, feeds: Sequence[Feed], *, logits: bool) -> Outcome:
        for feed in feeds:
            end = feed.past + len(feed.tokens)
            self._cache._array[:, :, feed.row, :, feed.past : end] = 1.0
        return super().run(feeds, logits=logits)

    def copy(self, source: int, target: int, tokens: int) -> None:
        super().copy(source, target, tokens)
        self._cache.copy(source, target, tokens)

    def release(self, row: int, kept: int) -> None:
        super().release(row, kept)
        self._cache.release(row, kept)


def test_many_joins_and_leaves_stay_within_the_budget(tmp_path: Path) -> None:
    limits = Limits(rows=6, shelves=3)
    cache = CpuCache(SHAPE, 9, CONTEXT)
    runner = Touching(9, cache)
    trial = Trial(tiny_text(tmp_path, CONTEXT), runner, runner, limits, CACHE_TOKENS)
    budget = CACHE_TOKENS * token_bytes(SHAPE, 4)
    chance, most = np.random.default_rng(5), 0
    for _ in range(100):
        prefix = "abcd"[chance.integers(4)] * int(chance.integers(60, 200))
        text = "z" * int(chance.integers(1, 700))
        sampling = Sampling(int(chance.integers(1, 12)))
        trial.ask(Ask(Prompt(prefix, text), sampling=sampling))
        for _ in range(chance.integers(4)):
            trial.step()
            most = max(most, resident(cache))
    trial.finish()
    assert budget / 2 < most <= budget, "the whole budget is of use, and no page more is taken"
    everything = 9 * CONTEXT * token_bytes(SHAPE, 4)
    assert most < everything / 8
    assert sum(map(len, runner.steps)) > 200


def test_what_is_given_back_is_gone_and_reads_as_zeros() -> None:
    cache = CpuCache(SHAPE, 3, CONTEXT)
    assert resident(cache) == 0, "a row that nobody wrote costs nothing"
    cache._array[:] = 1.0
    full = resident(cache)
    assert full == 3 * CONTEXT * token_bytes(SHAPE, 4)
    cache.release(1, 128)
    assert full - resident(cache) == (CONTEXT - 128) * token_bytes(SHAPE, 4)
    assert not cache._array[:, :, 1, :, 128:].any()
    assert cache._array[:, :, 1, :, :128].all() and cache._array[:, :, [0, 2]].all()
