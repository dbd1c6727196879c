"""Random schedules: whatever comes, leaves and breaks beside it, a request gets what it gets alone.

The graph is the strict one of inference_trials, so results are compared bit by bit.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comitia.errors import Poison, Retryable
from comitia.inference.limits import Limits
from comitia.inference.text import Text
from comitia.ports import Prompt, Sampling
from tests.unit.inference_trials import (
    CONTEXT,
    Ask,
    DeviceGone,
    StrictRunner,
    Told,
    Trial,
    by_hand,
    tiny_text,
    told,
)

# A machine may have other things to do.
SLOW = [HealthCheck.too_slow]
# Beginnings of each other, and one that joins with what follows into another token.
PREFIXES = [
    "",
    "see:",
    "see: one",
    "see: one two " * 3,
    "see: one two " * 8,
    "other " * 12,
    "say a",
]
TEXTS = st.sampled_from(["", "x", "b c", "yes", "and then some more ", "long " * 14, "~", "^"])
PROMPTS = st.builds(
    Prompt, st.sampled_from(PREFIXES), TEXTS, st.sampled_from(["", "", "formal", "terse", "none"])
)
OPTIONS = st.lists(
    st.sampled_from(["b", " yes", " no", "three words here", "o" * 40, "a^", "bc~"]),
    min_size=1, max_size=5,
)  # fmt: skip
SAMPLINGS = st.one_of(
    st.builds(Sampling, st.integers(1, 40)),
    st.builds(
        Sampling, st.integers(1, 20), st.sampled_from([0.7, 1.5]), st.integers(0, 3),
        st.sampled_from([(), ("e", "ab")]), st.sampled_from([1.0, 0.8]),
        repetition_penalty=st.sampled_from([1.0, 1.2]),
        log_probabilities=st.sampled_from([None, 2]),
    ),
)  # fmt: skip
ASKS = st.one_of(
    st.builds(Ask, PROMPTS, OPTIONS.map(tuple)),
    st.builds(Ask, PROMPTS, sampling=SAMPLINGS, streams=st.booleans()),
    st.builds(Ask, PROMPTS, attends=st.just(True)),
)
LIMITS = st.builds(
    Limits, rows=st.integers(1, 5), shelves=st.integers(0, 3), chunk_tokens=st.integers(1, 40),
    mixed_tokens=st.integers(1, 12),
)  # fmt: skip
CACHES = st.integers(1, 8).map(lambda count: count * 64)
# Steps between, who leaves, and what breaks: one run, three (so that a job is blamed), the step
# itself, the numbers of a row.
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), ASKS),
        st.tuples(st.just("ask"), ASKS),
        st.tuples(st.just("steps"), st.integers(1, 6)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("device"), st.integers(1, 3)),
        st.tuples(st.just("slip"), st.just(1)),
        st.tuples(st.just("noise"), st.integers(1, 2)),
    ),
    min_size=8,
    max_size=40,
)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Text:
    return tiny_text(tmp_path_factory.mktemp("text"))


def trial(text: Text, limits: Limits, cache: int) -> Trial:
    runner = StrictRunner(limits.rows + limits.shelves)
    return Trial(text, runner, runner, limits, cache)


@lru_cache(10_000)
def alone(text: Text, ask: Ask, cache: int) -> Told:
    """One row, nothing kept, the prompt in one piece."""
    made = trial(text, Limits(rows=1, shelves=0, chunk_tokens=CONTEXT), cache)
    request = made.ask(ask)
    made.finish()
    found = told(request)
    if (expected := by_hand(ask, text)) and found.words[0] is not Poison:
        assert (found.words[0], found.words[-1]) == expected, "the engine has a part in it"
    return found


def happen(made: Trial, event: tuple[str, Any]) -> None:
    kind, what = event
    runner: Any = made.runner
    if kind == "ask":
        made.ask(what)
    elif kind == "cancel":
        for request in made.requests[what : what + 1]:
            request.job.future.cancel()
    elif kind == "steps":
        for _ in range(what):
            made.step()
    elif kind == "noise":
        runner.noisy += what
    else:
        error = DeviceGone("away") if kind == "device" else ZeroDivisionError("a slip")
        runner.faults += [error] * what


def compare(made: Trial, alone: Callable[[Ask], Told], broken: bool) -> None:
    """Each as alone; where something broke around it, an error that tells so is right as well."""
    for request in made.requests:
        if request.job.cancelled:
            continue
        found = told(request)
        if not found.like(alone(request.ask)):
            assert broken, (request.ask, found, alone(request.ask))
            assert found.words in [(Retryable, ""), (Poison, "NOT_FINITE")], (request.ask, found)


@given(limits=LIMITS, cache=CACHES, events=EVENTS)
@settings(deadline=None, max_examples=100, suppress_health_check=SLOW)
def test_each_request_gets_what_it_gets_alone(
    text: Text, limits: Limits, cache: int, events: list[tuple[str, Any]]
) -> None:
    made = trial(text, limits, cache)
    for event in events:
        happen(made, event)
    made.finish()
    broken = any(kind in ("device", "slip", "noise") for kind, _ in events)
    compare(made, lambda ask: alone(text, ask, cache), broken)
    runner: Any = made.runner
    runner.faults.clear()
    runner.noisy = 0
    afterwards = [made.ask(request.ask) for request in list(made.requests)]
    made.finish()
    for request in afterwards:
        assert told(request).like(alone(text, request.ask, cache)), "what broke left a trace"


def test_a_row_that_goes_on_with_longer_options_has_memory_for_them(text: Text) -> None:
    """What is looked at after each step finds a row that holds more than was reserved."""
    made = trial(text, Limits(rows=2, shelves=0, chunk_tokens=64), 5 * 64)
    ask = Ask(Prompt("", "see: one two " * 3), ("d" * 45, " or no", "no", "e" * 70))
    request = made.ask(ask)
    made.finish()
    assert told(request).like(alone(text, ask, 5 * 64))
