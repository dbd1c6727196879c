"""Valid messages of every kind that somebody reads, from which fuzzing starts.

Every format, value, event and status occurs somewhere, with most fields set.
"""

from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.cancel_pb2 import Cancel
from comitia.v1.command_pb2 import Command
from comitia.v1.control_pb2 import Control
from comitia.v1.dead_letter_pb2 import DeadLetter, Header
from comitia.v1.decision_pb2 import (
    DELIVERY_EXACTLY_ONCE,
    Ballot,
    Decision,
    DecisionStatus,
    SeatRef,
)
from comitia.v1.format_pb2 import (
    AnswerFormat,
    JsonFormat,
    NumberFormat,
    RankingFormat,
    TextFormat,
)
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia.v1.panel_event_pb2 import PanelEvent, RoundOpened, TaskFailed, TaskRefused
from comitia.v1.policy_pb2 import METHOD_PROBABILITY_WEIGHTED
from comitia.v1.task_pb2 import Task
from comitia.v1.value_pb2 import Ranking, Tier, Value
from comitia.v1.verdict_pb2 import Verdict
from tests.sim.events import (
    DEADLINE_MS,
    answered,
    cancelled,
    make_answer,
    make_panel,
    make_task,
    opened,
    policy,
)

EVENTS_TOPIC = "comitia.panel-events.v1"


def tasks() -> list[Task]:
    """One of each format, with every field set somewhere."""
    choice = make_task(policy=policy(method=METHOD_PROBABILITY_WEIGHTED, samples=2, quorum=1))
    choice.budget.assignments_max = 20
    formats = (
        AnswerFormat(number=NumberFormat(min=0, max=9)),
        AnswerFormat(json=JsonFormat(schema="{}")),
        AnswerFormat(ranking=RankingFormat(options=choice.format.choice.options)),
    )
    found = [choice]
    for answer_format in formats:
        task = make_task()
        task.format.CopyFrom(answer_format)
        found.append(task)
    found[1].input.chat.messages.add(role="user", content="Which?")
    found[2].input.reference.uri = "s3://b/k"
    return found


def events() -> list[PanelEvent]:
    """Every kind of event, with answers of every kind of value."""
    values = (
        Value(option_id="a"),
        Value(number=3.5),
        Value(json='{"a": [1, 2.5]}'),
        Value(ranking=Ranking(tiers=[Tier(option_ids=["a"]), Tier(option_ids=["b"])])),
    )
    found = [opened(make_panel(task, f"p{n}")) for n, task in enumerate(tasks())]
    for seat, value in enumerate(values):
        for panel in range(len(values)):
            answer = make_answer(f"p{panel}.{seat}.0.1", "b", confidence=0.9)
            answer.value.CopyFrom(value)
            answer.probabilities.add(option_id="a", probability=0.7)
            answer.rationale = "because"
            found.append(answered(answer))
    found.append(cancelled())
    found.append(PanelEvent(task_id="t1", task_refused=TaskRefused(reason="x", task=make_task())))
    found.append(PanelEvent(task_id="t1", task_failed=TaskFailed(reason="x")))
    found.append(PanelEvent(task_id="t1", round_opened=RoundOpened(panel_id="p0", round=2)))
    found.append(PanelEvent(task_id="t1", verdict=Verdict(task_id="t1")))
    return found


def commands() -> list[Command]:
    cancel = Command(cancel=Cancel(task_id="t1", reason="x"))
    return [cancel, Command(verdict=Verdict(task_id="t1", root_id="r", value=Value(text="x")))]


def assignments() -> list[Assignment]:
    """Work for an agent: of each format a first vote, a second look at two peers, and a judge's."""
    found = []
    formats = [AnswerFormat(text=TextFormat()), *(task.format for task in tasks())]
    for number, answer_format in enumerate(formats):
        for role, round_ in (("solver", 1), ("critic", 2), ("judge", 2)):
            assignment = Assignment(
                id=f"p1.{number}.0.{round_}", panel_id="p1", seat=number, round=round_, agent="a0",
                deadline_ms=DEADLINE_MS, reply_topic=EVENTS_TOPIC, reply_partition=0, role=role,
            )  # fmt: skip
            assignment.task.CopyFrom(make_task())
            assignment.task.format.CopyFrom(answer_format)
            assignment.task.policy.steps.add().negotiation.SetInParent()
            if round_ > 1:
                for seat, said in ((1, "a"), (2, "b")):
                    answer = make_answer(f"p1.{seat}.0.1", said)
                    assignment.peers.add(seat=seat, round=1, answer=answer)
                assignment.previous.CopyFrom(make_answer(f"p1.{number}.0.1", "b"))
            found.append(assignment)
    return found


def decisions() -> list[Decision]:
    """One of each status, with ballots of every kind of value and an abstention."""
    found = []
    for status in DecisionStatus.keys():  # noqa: SIM118 - no mapping, in spite of its methods
        decision = Decision(
            task_id="t1", status=status, panel_id="p1", value=Value(option_id="a"), margin=0.5,
            explanation="Two of three.", skill="s", tenant="acme", task_digest=b"d" * 16,
            missing=[SeatRef(seat=2, agent="a2")], tied=[Value(number=1.5)],
        )  # fmt: skip
        for seat, value in enumerate(
            (Value(option_id="a"), Value(number=2), Value(json="{}"), Value(text="x"))
        ):
            decision.ballots.append(Ballot(seat=seat, agent=f"a{seat}", value=value, weight=1))
        decision.ballots.add(seat=9, agent="a9").abstention.detail = "cannot tell"
        decision.ballots[0].probabilities.add(option_id="a", probability=0.7)
        decision.ballots[0].confidence = 0.7
        decision.dead_letter.topic = "comitia.dead-letters.v1"
        found.append(decision)
    return found


def cards() -> list[AgentCard]:
    card = AgentCard(name="a1", version=1, skills=["sentiment"], inputs=["INPUT_KIND_TEXT"])
    plain = AgentCard(name="a2", version=2, skills=["s"], no_heartbeat=True, priority_lane=True)
    return [card, plain]


def heartbeats() -> list[Heartbeat]:
    return [
        Heartbeat(agent="a1", instance="i", interval_ms=100, leaving=True),
        Heartbeat(service="aggregator", interval_ms=2_000, delivery=DELIVERY_EXACTLY_ONCE),
    ]


def controls() -> list[Control]:
    return [Control(task_id="t1", panel_id="p1", reason="DECIDED", deadline_ms=DEADLINE_MS)]


def letters() -> list[DeadLetter]:
    """Originals of each topic that somebody might put back, and one that is bytes only."""
    originals: Sequence[tuple[str, Message]] = [
        ("comitia.tasks.v1", make_task()),
        ("comitia.commands.v1", commands()[0]),
        ("comitia.inbox.a0.v1", assignments()[0]),
        (EVENTS_TOPIC, events()[0]),
        ("comitia.decisions.v1", decisions()[1]),
    ]
    found = []
    for topic, message in originals:
        letter = DeadLetter(
            topic=topic, partition=1, offset=7, timestamp_ms=1_000_000, key=b"t1",
            value=message.SerializeToString(), service="router", reason="UNREADABLE",
            error="what happened", attempts=1, task_id="t1",
            headers=[Header(key="traceparent", value=b"00-x"), Header(key="empty")],
        )  # fmt: skip
        found.append(letter)
    found.append(DeadLetter(topic="elsewhere", value=b"\xff\x00", reason="POISON"))
    return found


def corpus() -> Mapping[type[Message], Sequence[bytes]]:
    """The bytes of all of them, by kind."""
    whole: Sequence[Sequence[Message]] = [
        tasks(), commands(), events(), assignments(), decisions(), cards(), heartbeats(),
        controls(), letters(),
    ]  # fmt: skip
    return {type(some[0]): [message.SerializeToString() for message in some] for some in whole}
