"""The checker's worth, by hand-made logs: an honest one passes, and each kind of violation is found
in a log that has it.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos import checker
from tests.chaos.checker import check
from tests.unit.checker_bad_conflicts import (
    BAD_CONFLICTS,
    escalated,
    settled,
    stage_expired,
    verdict,
)
from tests.unit.checker_bad_logs import BAD
from tests.unit.checker_world import (
    AGENTS,
    DEADLINE_MS,
    DECIDED_MS,
    LATER_MS,
    STATUS,
    TASK,
    World,
    decision,
    end,
    good,
    make,
    opened_twice,
    poisoned,
    routed,
)

ALL_BAD = (*BAD, *BAD_CONFLICTS)


def test_an_honest_log_passes() -> None:
    report = check(good().evidence)
    assert report.ok, report.examples
    facts = ("tasks", "ballots", "answers", "panels", "commits of aggregators", "commits of agents")
    assert [report.facts[name] for name in facts] == [1, 3, 3, 1, 1, 3]


def test_a_decision_before_the_last_answer_passes_when_it_holds() -> None:
    world = routed("aab")
    world.decide(decision(options="aa"), at_ms=DECIDED_MS)
    assert check(world.evidence).ok


def test_refused_poison_passes() -> None:
    world = poisoned()
    world.decide({"taskId": TASK, "status": STATUS["REJECTED"]})
    world.evidence.manifest = [{"id": TASK, "kind": "poison"}]
    assert check(world.evidence).ok


def test_a_late_panel_may_expire_with_a_majority() -> None:
    world = World()
    world.task()
    world.assign()
    for seat in range(3):
        world.answer(seat)
    opened = world.open()
    world.evidence.events[-1] = type(opened)(
        opened.place, LATER_MS, opened.key, opened.value, opened.message
    )
    end(world, status=STATUS["EXPIRED"], ballots=[], value=None)
    assert check(world.evidence).ok


def test_a_conflict_that_is_settled_by_the_first_verdict_passes() -> None:
    world = settled(verdict(verdict(escalated()), "a"), by="ann")
    assert check(world.evidence).ok, check(world.evidence).violations
    assert check(settled(escalated(LATER_MS), expired=True).evidence).ok


def test_a_task_of_stages_may_expire_with_a_stage_or_when_none_can_begin() -> None:
    for world in (stage_expired(DECIDED_MS, DECIDED_MS - 1), stage_expired(DEADLINE_MS - 250)):
        assert check(world.evidence).ok, check(world.evidence).violations


def test_an_order_to_stop_finishes_the_work_of_every_panel() -> None:
    """The task is decided: what its other panels still ask for is dropped too."""
    world = opened_twice("")
    for seat, option in enumerate("aab"):
        world.answer(seat, option)
    world.decide(decision(), at_ms=DECIDED_MS)
    agent = AGENTS[0]
    world.commit(f"agent.{agent}", f"inbox.{agent}", (0, 2), at_ms=DECIDED_MS + 2)
    assert list(check(world.evidence).violations) == ["commit.past-an-unanswered-assignment"]
    world.put("control", make("Control", {"taskId": TASK}), at_ms=DECIDED_MS + 1)
    assert check(world.evidence).ok


@pytest.mark.parametrize(
    ("name", "world"), ALL_BAD, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_bad_log_is_found_out(name: str, world: Callable[[], World]) -> None:
    report = check(world().evidence)
    assert name in report.violations, report.violations


def test_every_kind_of_violation_has_a_bad_log() -> None:
    sources = Path(checker.__file__).parent.glob("rules_*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    named = set(re.findall(r'violated\(\s*f?"([a-z{}.-]+)"', text))
    named |= {"event.wrong-partition", "decision.wrong-partition"}
    named |= {f"commit.past-an-{rest}" for rest in re.findall(r'"(un[a-z]+-[a-z]+)"', text)}
    named -= {"{entity}.wrong-partition", "commit.past-an-{name}"}
    assert named == {name for name, _ in ALL_BAD}
