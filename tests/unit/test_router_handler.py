"""From a task to its panel or its refusal, and from a command to the log of its task."""

from typing import Any

import pytest

from comitia.effects import Effect, Publish, Recorded
from comitia.errors import Poison
from comitia.topics import Names
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.cancel_pb2 import Cancel
from comitia.v1.command_pb2 import Command
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_NO_AGENT,
    DECISION_STATUS_OVER_BUDGET,
    DECISION_STATUS_REJECTED,
)
from comitia.v1.format_pb2 import FORMAT_KIND_CHOICE, FORMAT_KIND_TEXT
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia.v1.input_pb2 import INPUT_KIND_REFERENCE, INPUT_KIND_TEXT
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened, TaskRefused
from comitia.v1.policy_pb2 import SELECTION_BROADCAST
from comitia.v1.task_pb2 import Task
from comitia.v1.verdict_pb2 import Verdict
from comitia_router.handler import Router
from comitia_router.limits import Limits
from tests.sim.events import APPENDED_MS, DEADLINE_MS, make_task

NOW_MS = APPENDED_MS + 5
NAMES = Names("x.")


def make_router(agents: int = 3, **card: Any) -> Router:
    """A router that knows live agents a0, a1, ... with the skill sentiment."""
    router = Router(NAMES, Limits(), lambda key: len(key) % 4, "n0")
    for number in range(agents):
        fields: dict[str, Any] = {"version": 1, "skills": ["sentiment"], "no_heartbeat": True}
        router.agents.learn(AgentCard(name=f"a{number}", **{**fields, **card}))
        router.agents.open_inbox(f"a{number}")
    return router


def route(router: Router, task: Task) -> tuple[Effect, ...]:
    return router.on_task(Recorded(task, "x.comitia.tasks.v1", 2, 7, APPENDED_MS), NOW_MS)


def panel(router: Router, task: Task) -> PanelOpened:
    *_, last = route(router, task)
    assert isinstance(last, Publish)
    assert isinstance(last.message, PanelEvent)
    assert last.message.HasField("panel_opened"), last.message
    return last.message.panel_opened


def refusal(router: Router, task: Task) -> TaskRefused:
    (publish,) = route(router, task)
    assert isinstance(publish, Publish)
    assert isinstance(publish.message, PanelEvent)
    assert (publish.topic, publish.key, publish.partition) == ("x.comitia.panel-events.v1", "t1", 2)
    assert publish.message.task_id == "t1"
    refused = publish.message.task_refused
    assert refused.task == task
    assert refused.task_appended_ms == APPENDED_MS
    return refused


def test_assignments_go_out_before_the_panel_that_lists_them() -> None:
    task = make_task()
    task.policy.samples = 2
    effects = route(make_router(2), task)
    publishes = [effect for effect in effects if isinstance(effect, Publish)]
    *sent, last = publishes
    assert [(p.topic, p.key, p.partition, p.order) for p in sent] == [
        (f"x.comitia.inbox.{agent}.v1", "t1", None, 0) for agent in ("a0", "a0", "a1", "a1")
    ]
    assert (last.topic, last.key, last.partition, last.order) == (
        "x.comitia.panel-events.v1",
        "t1",
        2,
        1,
    )
    opened = last.message.panel_opened  # type: ignore[attr-defined]
    assignments = [p.message for p in sent if isinstance(p.message, Assignment)]
    assert [(a.id, a.seat, a.sample, a.round) for a in assignments] == [
        (listed.id, listed.seat, listed.sample, listed.round) for listed in opened.assignments
    ]
    first = assignments[0]
    assert first.task == opened.task == task
    assert (first.agent, first.role, first.panel_id) == ("a0", "solver", opened.panel_id)
    assert (first.reply_topic, first.reply_partition) == ("x.comitia.panel-events.v1", 2)
    assert first.deadline_ms == opened.deadline_ms == DEADLINE_MS
    assert opened.task_appended_ms == APPENDED_MS
    assert [(s.agent, s.agent_version, s.probability) for s in opened.seats] == [
        ("a0", 1, 1.0),
        ("a1", 1, 1.0),
    ]


def test_routing_a_task_again_opens_a_panel_of_its_own_with_the_same_agents() -> None:
    router = make_router(9)
    first, second = panel(router, make_task()), panel(router, make_task())
    assert first.panel_id != second.panel_id
    assert not {a.id for a in first.assignments} & {a.id for a in second.assignments}
    assert [seat.agent for seat in first.seats] == [seat.agent for seat in second.seats]


def test_the_lot_seats_everyone_equally_often_and_says_so() -> None:
    router = make_router(4)
    seated: dict[str, int] = {}
    for number in range(400):
        task = make_task(f"t{number}")
        task.policy.seats_max = 1
        (seat,) = panel(router, task).seats
        assert (seat.probability, seat.reason) == (
            0.25,
            "has the skill 'sentiment'; drawn by lot, 1 of 4",
        )
        seated[seat.agent] = seated.get(seat.agent, 0) + 1
    # Binomial with p = 1/4: 100 expected, standard deviation 8.7; the lot is the same in every run.
    assert all(65 <= times <= 135 for times in seated.values())


def test_the_seed_changes_the_lot() -> None:
    def draw(seed: int) -> list[str]:
        task = make_task()
        task.policy.seats_max, task.seed = 10, seed
        return [seat.agent for seat in panel(make_router(50), task).seats]

    assert draw(1) == draw(1) != draw(2)


def test_a_broadcast_seats_everyone_and_the_default_is_a_setting() -> None:
    task = make_task()
    assert len(panel(make_router(20), task).seats) == Limits().seats_default
    task.policy.selection = SELECTION_BROADCAST
    opened = panel(make_router(20), task)
    assert len(opened.seats) == 20
    assert opened.seats[0].reason.endswith("all 20 candidates sit")
    assert refusal(make_router(101), task).status == DECISION_STATUS_OVER_BUDGET


def test_no_agent_with_the_skill_names_the_skills_there_are() -> None:
    refused = refusal(make_router(2, skills=["law", "art"]), make_task())
    assert refused.status == DECISION_STATUS_NO_AGENT
    assert refused.reason == "skill: no agent has 'sentiment'; there are art, law"
    assert refusal(make_router(0), make_task()).reason.endswith("no agent is running")


def test_agents_that_are_silent_or_do_not_accept_the_task_are_told_apart() -> None:
    silent = refusal(make_router(2, no_heartbeat=False), make_task())
    assert silent.status == DECISION_STATUS_NO_AGENT
    assert (
        silent.reason
        == "skill: the agents that have 'sentiment' do not answer (a0, a1); start them"
    )
    unfit = refusal(make_router(1, formats=[FORMAT_KIND_TEXT]), make_task())
    assert "accepts INPUT_KIND_TEXT with FORMAT_KIND_CHOICE" in unfit.reason


def test_a_heartbeat_seats_and_a_farewell_unseats() -> None:
    router = make_router(1, no_heartbeat=False)
    router.agents.beat(Heartbeat(agent="a0", instance="i", interval_ms=100), NOW_MS - 300)
    assert len(panel(router, make_task()).seats) == 1
    router.agents.beat(Heartbeat(agent="a0", instance="i", interval_ms=100, leaving=True), NOW_MS)
    assert refusal(router, make_task()).status == DECISION_STATUS_NO_AGENT


def test_nobody_is_seated_before_the_inbox_is_there() -> None:
    router = make_router(1)
    router.agents.learn(AgentCard(name="b", version=1, skills=["sentiment"], no_heartbeat=True))
    assert router.agents.without_inbox() == [("b", False)]
    assert [seat.agent for seat in panel(router, make_task()).seats] == ["a0"]


def test_references_go_only_to_agents_that_accept_them() -> None:
    task = make_task()
    task.input.reference.uri = "s3://bucket/key"
    task.input.reference.sha256 = bytes(32)
    task.input.reference.media_type = "text/plain"
    assert refusal(make_router(), task).status == DECISION_STATUS_NO_AGENT
    assert len(panel(make_router(inputs=[INPUT_KIND_REFERENCE]), task).seats) == 3
    both = make_router(inputs=[INPUT_KIND_TEXT], formats=[FORMAT_KIND_CHOICE])
    assert len(panel(both, make_task()).seats) == 3


def test_the_budget_bounds_the_assignments() -> None:
    task = make_task()
    task.policy.samples, task.budget.assignments_max = 2, 6
    assert len(panel(make_router(3), task).assignments) == 6
    task.budget.assignments_max = 5
    refused = refusal(make_router(3), task)
    assert refused.status == DECISION_STATUS_OVER_BUDGET
    assert "needs 6 assignments, the budget allows 5" in refused.reason


def test_a_quorum_that_the_live_agents_cannot_reach_is_refused() -> None:
    task = make_task()
    task.policy.quorum = 4
    refused = refusal(make_router(3), task)
    assert refused.status == DECISION_STATUS_NO_AGENT
    assert "casts at most 3" in refused.reason


def test_an_invalid_task_is_rejected_and_one_without_a_usable_id_is_poison() -> None:
    task = make_task(options="a")
    refused = refusal(make_router(), task)
    assert refused.status == DECISION_STATUS_REJECTED
    assert refused.reason.startswith("format.choice.options: there is one")
    with pytest.raises(Poison, match="id: 'no good'; use 1 to 128") as caught:
        route(make_router(), make_task("no good"))
    assert caught.value.reason == "INVALID_ID"


def command(router: Router, said: Command) -> Publish:
    (publish,) = router.on_command(Recorded(said, "x.comitia.commands.v1", 0, 0, 0), 0)
    assert isinstance(publish, Publish)
    return publish


def test_commands_go_into_the_log_of_their_task() -> None:
    router = make_router()
    cancel = command(router, Command(cancel=Cancel(task_id="t1", reason="why", by="ann")))
    assert (cancel.topic, cancel.key, cancel.partition) == ("x.comitia.panel-events.v1", "t1", 2)
    event = cancel.message
    assert isinstance(event, PanelEvent)
    assert (event.task_id, event.task_cancelled.reason, event.task_cancelled.by) == (
        "t1",
        "why",
        "ann",
    )
    verdict = Verdict(task_id="t1", root_id="root", revision=1, because="obvious")
    said = command(router, Command(verdict=verdict))
    assert (said.key, said.partition) == ("root", 0)
    assert isinstance(said.message, PanelEvent)
    assert (said.message.task_id, said.message.verdict) == ("t1", verdict)


@pytest.mark.parametrize(
    "said",
    [Command(), Command(cancel=Cancel()), Command(cancel=Cancel(task_id="t", root_id="no good"))],
)
def test_a_command_that_names_no_task_is_poison(said: Command) -> None:
    with pytest.raises(Poison):
        command(make_router(), said)


def test_a_conflicting_card_is_poison_where_cards_are_read_as_a_stream() -> None:
    router = make_router(1)
    with pytest.raises(Poison) as caught:
        router.on_card(Recorded(AgentCard(name="a0", version=1, skills=["x"]), "a", 0, 0, 0), 0)
    assert caught.value.reason == "CARD_CONFLICT"
