"""The aggregator's fold under 2,000 seeded interleavings of the same events.

Each seed takes one of 20 stories (a panel, a second one that competes, answers to both, duplicates,
answers after the deadline, sometimes a cancel) and one order of its events; answers may come before
their panel. A small model, which shares no code with the fold, says which answers count. The fold
must publish exactly one decision with just these ballots, and the same set of counted and late
answers must always give the same decision. A failure names its seed: `replay(seed)` runs it again.
"""

import random
from dataclasses import dataclass

import pytest

from comitia.effects import Effect, Publish, Recorded, StopWork, Timer
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_CANCELLED,
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_EXPIRED,
    DECISION_STATUS_NO_QUORUM,
    Decision,
)
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened
from comitia.v1.policy_pb2 import METHOD_PLURALITY, METHOD_PROBABILITY_WEIGHTED
from comitia_aggregator import answers
from comitia_aggregator.state import Rules, TaskState
from comitia_aggregator.step import step
from tests.sim.events import (
    APPENDED_MS,
    DEADLINE_MS,
    answered,
    cancelled,
    make_answer,
    make_panel,
    make_task,
    opened,
    policy,
    recorded,
)

STORIES = 20
SEEDS = 2_000
RULES = Rules("comitia.decisions.v1")
Log = list[Recorded[PanelEvent]]


@dataclass(frozen=True)
class Story:
    """Events of one task: those appended before the deadline, in any order, and those after it."""

    in_time: tuple[PanelEvent, ...]
    late: tuple[PanelEvent, ...]


def story(number: int) -> Story:
    chance = random.Random(f"story {number}")
    task = make_task(
        options="abc",
        policy=policy(
            quorum=chance.choice([0, 0, 1, 3]),
            method=chance.choice([METHOD_PLURALITY, METHOD_PROBABILITY_WEIGHTED]),
            samples=chance.choice([1, 1, 2]),
        ),
    )
    seats = chance.randint(2, 5)
    panels = [make_panel(task, name, seats) for name in ("p1", "p2")]
    in_time = [opened(panel) for panel in panels]
    late = []
    for panel in panels:
        for assignment in panel.assignments:
            option = chance.choice(["a", "a", "b", "c", None])
            event = answered(make_answer(assignment.id, option, chance.choice([None, 0.7, 0.9])))
            fate = chance.random()
            if fate < 0.75:
                in_time.append(event)
                in_time += [event] * (chance.random() < 0.3)  # sent twice
                late += [event] * (chance.random() < 0.1)  # and once more, too late
            elif fate < 0.9:
                late.append(event)
    if number % 4 == 3:
        in_time.append(cancelled())
    return Story(tuple(in_time), tuple(late))


def interleave(seed: int) -> tuple[Log, int]:
    """A log of the seed's story in the seed's order, and the position at which the timer comes."""
    told = story(seed % STORIES)
    chance = random.Random(f"order {seed}")
    in_time, late = list(told.in_time), list(told.late)
    chance.shuffle(in_time)
    chance.shuffle(late)
    moments = sorted(chance.randint(APPENDED_MS, DEADLINE_MS) for _ in in_time)
    moments += sorted(DEADLINE_MS + chance.randint(1, 500) for _ in late)
    events = zip([*in_time, *late], moments, strict=True)
    log = [recorded(event, ms, offset) for offset, (event, ms) in enumerate(events)]
    return log, chance.randint(len(in_time), len(log))


def fold(log: Log, timer_at: int) -> list[Effect]:
    state: TaskState | None = None
    effects: list[Effect] = []
    for position in range(len(log) + 1):
        if position == timer_at and state is not None and state.timer_ms is not None:
            state, due = step(state, Timer("t1", state.timer_ms), DEADLINE_MS + 600, RULES)
            effects += due
        if position < len(log):
            state, due = step(state, log[position], log[position].append_ms, RULES)
            effects += due
    return effects


@dataclass(frozen=True)
class Expected:
    panel_id: str
    counted: frozenset[tuple[str, str]]
    late: frozenset[str]
    cancelled: bool


def model(log: Log, timer_at: int) -> Expected:
    """What counts, told independently of the fold: by one pass over the log as it was when the task
    ended.
    """
    first = next(one for one in log if one.message.HasField("panel_opened"))
    panel = first.message.panel_opened
    listed = {assignment.id for assignment in panel.assignments}
    counted: dict[str, str] = {}
    late: set[str] = set()
    cancel = False
    for position, one in enumerate(log):
        if position == timer_at:
            break
        event = one.message
        cancel = cancel or event.HasField("task_cancelled")
        if event.HasField("answer") and event.answer.assignment_id in listed:
            answer = event.answer
            if answer.assignment_id not in counted:
                if one.append_ms > DEADLINE_MS:
                    late.add(answer.assignment_id)
                else:
                    counted[answer.assignment_id] = answer.value.option_id
        if position >= first.offset and (cancel or len(counted) == len(listed)):
            break
    return Expected(panel.panel_id, frozenset(counted.items()), frozenset(late), cancel)


def replay(seed: int) -> tuple[Expected, Decision]:
    """Run one seed and check it against the model."""
    log, timer_at = interleave(seed)
    expected = model(log, timer_at)
    effects = fold(log, timer_at)
    decisions = [one.message for one in effects if isinstance(one, Publish)]
    assert len(decisions) == 1, f"seed {seed}: {len(decisions)} decisions"
    decision = decisions[0]
    assert isinstance(decision, Decision)
    counted = {(ballot.assignment_id, ballot.value.option_id) for ballot in decision.ballots}
    assert counted == expected.counted, f"seed {seed}: counted {counted ^ expected.counted}"
    assert len(decision.ballots) == len(counted), f"seed {seed}: an answer counts twice"
    assert decision.panel_id == expected.panel_id, f"seed {seed}: {decision.panel_id} won"
    is_cancelled = decision.status == DECISION_STATUS_CANCELLED
    assert is_cancelled == expected.cancelled, f"seed {seed}: status {decision.status}"
    stops = [one for one in effects if isinstance(one, StopWork)]
    assert bool(stops) == bool(decision.missing), f"seed {seed}: stops {stops}"
    return expected, decision


def check_all(seeds: int) -> list[Decision]:
    """Every seed; the same set of ballots must give the same decision, but for the time it took."""
    decided: dict[tuple[int, Expected], tuple[int, Decision]] = {}
    for seed in range(seeds):
        expected, decision = replay(seed)
        decision.cost.ClearField("elapsed_ms")
        first_seed, first = decided.setdefault((seed % STORIES, expected), (seed, decision))
        assert first == decision, f"seeds {first_seed} and {seed}: same ballots, two decisions"
    return [decision for _, decision in decided.values()]


def test_the_same_counted_ballots_give_the_same_decision() -> None:
    decisions = check_all(SEEDS)
    # The stories are worth something only if they end in different ways.
    assert {decision.status for decision in decisions} == {
        DECISION_STATUS_DECIDED,
        DECISION_STATUS_NO_QUORUM,
        DECISION_STATUS_EXPIRED,
        DECISION_STATUS_CANCELLED,
    }
    assert {decision.panel_id for decision in decisions} == {"p1", "p2"}
    assert any(decision.late for decision in decisions)


def test_without_the_listing_check_the_property_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def anything(panel: PanelOpened, assignment_id: str) -> int:
        """The seat and sample that the id names, whichever panel it is of."""
        place = assignment_id.partition(".")[2]
        ids = [assignment.id.partition(".")[2] for assignment in panel.assignments]
        return ids.index(place)

    monkeypatch.setattr(answers, "listed", anything)
    with pytest.raises(AssertionError, match=r"seed \d+: counted .*p[12]\."):
        check_all(SEEDS)
