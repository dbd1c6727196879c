"""Every fault of a decoder's core, by steps: a clear result for the request that it struck, and
what the others get is what they get alone.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from comitia.errors import ConfigError, Poison, Retryable
from comitia.inference.limits import Limits
from comitia.inference.text import Text
from comitia.ports import Prompt, Sampling
from tests.unit.inference_trials import (
    CONTEXT,
    Ask,
    Request,
    StrictRunner,
    Told,
    Trial,
    tiny_text,
    told,
)

LIMITS = Limits(rows=4, shelves=2, chunk_tokens=16, mixed_tokens=8)
ROLE = "You read reviews. " * 3
LONG = "nine lives " * 8
WRITES = Ask(Prompt(ROLE, "a film", "terse"), sampling=Sampling(40, 1.0, 2), streams=True)
SCORES = Ask(Prompt(ROLE, "a play"), (" good and well", " bad", " neither of these", " fine"))
READS = Ask(Prompt("", LONG), sampling=Sampling(3))
OTHERS = (WRITES, SCORES, READS, Ask(Prompt(ROLE, "a book"), ("x", "y")))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Text:
    return tiny_text(tmp_path_factory.mktemp("text"))


@pytest.fixture
def trial(text: Text) -> Trial:
    return begin(text, LIMITS)


def begin(text: Text, limits: Limits, cache: int = 1024) -> Trial:
    runner = StrictRunner(limits.rows + limits.shelves)
    return Trial(text, runner, runner, limits, cache)


def graph(trial: Trial) -> StrictRunner:
    assert isinstance(trial.runner, StrictRunner)
    return trial.runner


def alone(text: Text, ask: Ask) -> Told:
    made = begin(text, Limits(rows=1, shelves=0, chunk_tokens=CONTEXT))
    request = made.ask(ask)
    made.finish()
    return told(request)


def check(text: Text, requests: list[Request]) -> None:
    for request in requests:
        assert told(request).like(alone(text, request.ask)), request.ask


def reads(trial: Trial, request: Request) -> bool:
    return any(reading.job is request.job for reading in trial.core._readings)


def weighs(trial: Trial, request: Request) -> bool:
    works = [reading for reading in trial.core._readings if reading.job is request.job]
    return len(works) > 1 and all(reading.scored for reading in works)


def writes(trial: Trial, request: Request) -> bool:
    return any(writer.job is request.job and writer.length > 60 for writer in trial.core._writers)


def waits(trial: Trial, request: Request) -> bool:
    return any(waiting.job is request.job for waiting in trial.core._queue._waiting)


PHASES = {
    "waiting for a row": (waits, [READS, READS, READS, READS], SCORES),
    "waiting for a beginning": (waits, [OTHERS[3]], SCORES),
    "reading": (reads, [WRITES], READS),
    "reading a beginning that others wait for": (reads, [], SCORES),
    "weighing options": (weighs, [WRITES], SCORES),
    "writing": (writes, [SCORES], WRITES),
}
Phase = tuple[Callable[[Trial, Request], bool], list[Ask], Ask]


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)
def test_cancelled_in_any_phase(text: Text, trial: Trial, phase: Phase) -> None:
    is_there, before, ask = phase
    others = [trial.ask(other) for other in before]
    if is_there is waits:
        trial.step()
    struck = trial.ask(ask)
    for _ in range(60):
        trial.step()
        if is_there(trial, struck):
            break
    assert is_there(trial, struck)
    others += [trial.ask(other) for other in OTHERS]
    held, said = trial.core.held(), len(struck.heard)
    assert struck.job.future.cancel()
    trial.core.let_go()
    assert trial.core.held() == held - 1
    trial.look()
    trial.finish()
    assert len(struck.heard) == said, "nobody hears any more"
    check(text, others)


def test_who_leaves_in_the_middle_of_a_step_hears_nothing_of_it(
    text: Text, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    struck, other, run = trial.ask(WRITES), trial.ask(SCORES), graph(trial).run
    while not struck.heard:
        trial.step()
    said = len(struck.heard)

    def leave(*arguments: Any, **options: Any) -> Any:
        struck.job.future.cancel()
        return run(*arguments, **options)

    monkeypatch.setattr(trial.runner, "run", leave)
    trial.finish()
    assert len(struck.heard) == said
    check(text, [other])


def test_the_cache_is_full_so_the_next_waits_and_then_runs(text: Text) -> None:
    trial = begin(text, LIMITS, cache=128)
    first = trial.ask(WRITES)
    second = trial.ask(READS)
    trial.step()
    assert waits(trial, second), "three rows are free, and no memory"
    trial.finish()
    check(text, [first, second])


def test_what_never_fits_is_refused_by_name_of_the_setting(text: Text) -> None:
    trial = begin(text, LIMITS, cache=128)
    large = trial.ask(Ask(Prompt("", "x" * 100), sampling=Sampling(40)))
    fits = trial.ask(WRITES)
    trial.finish()
    with pytest.raises(Poison, match=r"140 tokens .* COMITIA_ENGINE_CACHE_MIB") as caught:
        large.job.future.result()
    assert caught.value.reason == "TOO_LONG"
    check(text, [fits])


class Struck(NamedTuple):
    """A prompt, and what its caller is told."""

    prompt: Prompt
    kind: type[Exception]
    reason: str
    words: str


STRUCK = [
    Struck(Prompt("", "x" * CONTEXT), Poison, "TOO_LONG", "tokens, model 'tiny' reads 160"),
    Struck(Prompt("", "half a \ud800"), Poison, "BAD_REQUEST", "cannot be met: TypeError"),
    Struck(Prompt("", "x", "unknown"), ConfigError, "", "'unknown'; it has formal, terse"),
    Struck(Prompt("", "a ^ b"), Poison, "NOT_FINITE", "not finite"),
    Struck(Prompt("", "a ~ b"), Retryable, "", "ONNX Runtime failed: the device is gone"),
]


@pytest.mark.parametrize("case", STRUCK, ids=lambda case: case.reason or case.kind.__name__)
@pytest.mark.parametrize("options", [(), (" yes and no", " no")], ids=["writes", "scores"])
def test_one_request_of_a_batch_is_struck(
    text: Text, trial: Trial, case: Struck, options: tuple[str, ...]
) -> None:
    others = [trial.ask(other) for other in OTHERS[:2]]
    struck = trial.ask(Ask(case.prompt, options, Sampling(5)))
    others += [trial.ask(other) for other in OTHERS[2:]]
    trial.finish()
    with pytest.raises(case.kind, match=case.words) as caught:
        struck.job.future.result()
    assert getattr(caught.value, "reason", "") == case.reason
    check(text, others)


def test_numbers_that_broke_once_are_not_kept(text: Text, trial: Trial) -> None:
    """The beginning of a role is read badly: who read it is told, the next one reads it anew."""
    graph(trial).noisy = 1
    struck, next_ones = trial.ask(SCORES), [trial.ask(OTHERS[3]), trial.ask(SCORES)]
    trial.finish()
    assert told(struck) == Told((Poison, "NOT_FINITE"))
    check(text, next_ones)


def test_runs_of_several_that_break_cost_nobody_anything(text: Text, trial: Trial) -> None:
    graph(trial).shaky = True
    requests = [trial.ask(ask) for ask in OTHERS]
    trial.finish()
    check(text, requests)


def test_a_step_that_breaks_costs_those_in_it_and_what_they_left(text: Text, trial: Trial) -> None:
    struck = [trial.ask(ask) for ask in (*OTHERS, READS)]
    for _ in range(4):
        trial.step()
    waiting = [request for request in struck if waits(trial, request)]
    graph(trial).faults = [ZeroDivisionError("a slip in the code")]
    trial.step()
    assert waiting and len(waiting) < len(struck)
    for request in struck:
        if request not in waiting:
            assert told(request) == Told((Retryable, ""))
            assert "a slip in the code" in str(request.job.future.exception())
    assert trial.space.reserved == 0
    again = [trial.ask(ask) for ask in OTHERS]
    trial.finish()
    check(text, [*waiting, *again])


@pytest.mark.parametrize("place", ["copy", "start_from", "keep", "begin"])
def test_nobody_is_forgotten_wherever_a_step_breaks(
    text: Text, trial: Trial, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [trial.ask(ask) for ask in OTHERS]

    def breaks(*_: object) -> None:
        monkeypatch.undo()
        raise ZeroDivisionError("a slip")

    trial.step()
    requests.append(trial.ask(READS))
    monkeypatch.setattr(trial.space, place, breaks)
    trial.finish()
    for request in requests:
        result = told(request)
        assert result == Told((Retryable, "")) or result.like(alone(text, request.ask))
    assert any(told(request) == Told((Retryable, "")) for request in requests)


def test_a_listener_that_breaks_is_alone_in_that(text: Text, trial: Trial) -> None:
    others = [trial.ask(other) for other in OTHERS]
    struck = trial.ask(Ask(Prompt("", "a"), sampling=Sampling(30)))

    def breaks(_: str) -> None:
        raise LookupError("nobody is there")

    struck.job.on_text = breaks  # type: ignore[attr-defined]
    trial.finish()
    assert told(struck) == Told((Poison, "BAD_REQUEST"))
    check(text, others)
