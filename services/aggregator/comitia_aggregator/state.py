"""What the aggregator knows of one task, and the bounds within which it knows it.

A TaskState is the fold of a task's panel events; `step` alone changes it. It keeps what a decision
needs and no more: the input, the embeddings and the arenas of the messages that were read are let
go.
"""

import hashlib
from dataclasses import dataclass, field

from comitia.v1.answer_pb2 import ABSTENTION_REASON_UNDECIDED, Answer
from comitia.v1.decision_pb2 import DELIVERY_AT_LEAST_ONCE, Ballot, Delivery
from comitia.v1.panel_event_pb2 import ListedAssignment, PanelOpened, TaskCancelled
from comitia.v1.task_pb2 import Task
from google.protobuf.message import Message

KIB = 1024
# Python objects of a task that holds nothing yet; measured with 100,000 of them.
STATE_BYTES = 600
RATIONALE_BYTES_MAX = 16 * KIB
DETAIL_BYTES_MAX = KIB
NAME_BYTES_MAX = 128


@dataclass(frozen=True, slots=True)
class Rules:
    """Bounds of the fold and the delivery that its decisions name.

    `keep_ms`: how long a cancel, or an answer that carries no deadline, waits for its panel.
    `timeout_ms_max`: no deadline is believed that lies further than this after the append of the
    record that carries it. `early_max`: answers of one task held before its panel.
    """

    decisions_topic: str
    keep_ms: int = 600_000
    timeout_ms_max: int = 3_600_000
    early_max: int = 2_000
    answer_bytes_max: int = 256 * KIB
    decision_bytes_max: int = 1024 * KIB
    delivery: Delivery = DELIVERY_AT_LEAST_ONCE


@dataclass(frozen=True, slots=True)
class Early:
    """An answer that came before its panel. `append_ms`: broker's clock, epoch milliseconds."""

    answer: Answer
    append_ms: int


@dataclass(slots=True)
class TaskState:
    """One task before its decision is acknowledged.

    `timer_ms`: when a Timer is wanted (broker's clock, epoch milliseconds). `digest`: of the task's
    content, b"" before its panel. `panel`: the winning panel, without the task's input. `ballots`:
    by assignment id, the first answer of each that was listed and in time. `late`: assignments
    answered after the deadline. `decided`: nothing can change any more.
    """

    task_id: str
    timer_ms: int | None = None
    size_bytes: int = STATE_BYTES
    digest: bytes = b""
    panel: PanelOpened | None = None
    traceparent: str = ""
    ballots: dict[str, Ballot] = field(default_factory=dict)
    late: frozenset[str] = frozenset()
    worked_ms: int = 0
    early: tuple[Early, ...] = ()
    cancelled: TaskCancelled | None = None
    decided: bool = False


def digest_of(task: Task) -> bytes:
    """Names a task's content: equal for equal tasks, 16 bytes (BLAKE2b of the deterministic
    serialisation).
    """
    return hashlib.blake2b(task.SerializeToString(deterministic=True), digest_size=16).digest()


def without_input(panel: PanelOpened) -> PanelOpened:
    """A copy that keeps what a decision needs. A copy, because a part of a message keeps the whole
    of it in memory.
    """
    kept = PanelOpened(
        panel_id=panel.panel_id,
        task=head_of(panel.task),
        deadline_ms=panel.deadline_ms,
        task_appended_ms=panel.task_appended_ms,
        assignments=panel.assignments,
    )
    for seat in panel.seats:
        kept.seats.add(seat=seat.seat, agent=seat.agent)
    return kept


def head_of(task: Task) -> Task:
    """A copy of a task without its input, its names cut to a sane length."""
    head = Task(
        id=task.id,
        root_id=task.root_id,
        skill=cut(task.skill, NAME_BYTES_MAX),
        tenant=cut(task.tenant, NAME_BYTES_MAX),
        session=cut(task.session, NAME_BYTES_MAX * 4),
    )
    if task.HasField("format"):
        head.format.CopyFrom(task.format)
        if task.format.HasField("json"):
            head.format.json.ClearField("schema")
        for option in (*head.format.choice.options, *head.format.ranking.options):
            option.ClearField("text")
    if task.HasField("policy"):
        head.policy.CopyFrom(task.policy)
    return head


def ballot_of(
    answer: Answer, listed: ListedAssignment, agent: str, answer_bytes_max: int
) -> Ballot:
    """The ballot that an answer casts, its prose cut to its limits; the weight is set by the
    tally.
    """
    ballot = Ballot(
        seat=listed.seat,
        agent=agent,
        sample=listed.sample,
        round=listed.round,
        assignment_id=listed.id,
        rationale=cut(answer.rationale, RATIONALE_BYTES_MAX),
    )
    if answer.HasField("confidence"):
        ballot.confidence = answer.confidence
    if answer.HasField("usage"):
        ballot.usage.CopyFrom(answer.usage)
    if answer.HasField("model"):
        ballot.model.name = cut(answer.model.name, NAME_BYTES_MAX)
        ballot.model.digest = cut(answer.model.digest, NAME_BYTES_MAX)
    if answer.HasField("abstention"):
        ballot.abstention.reason = answer.abstention.reason
        ballot.abstention.detail = cut(answer.abstention.detail, DETAIL_BYTES_MAX)
    elif answer.HasField("value"):
        ballot.value.CopyFrom(answer.value)
        ballot.probabilities.MergeFrom(answer.probabilities)
    size = ballot.ByteSize()
    if size > answer_bytes_max:
        ballot.ClearField("probabilities")
        ballot.abstention.reason = ABSTENTION_REASON_UNDECIDED
        ballot.abstention.detail = f"the answer has {size} bytes, at most {answer_bytes_max} count"
    return ballot


def cut(text: str, bytes_max: int) -> str:
    """`text`, shortened to at most `bytes_max` bytes of UTF-8."""
    if len(text) * 4 <= bytes_max:
        return text
    return text.encode()[:bytes_max].decode(errors="ignore")


def heap_bytes(*messages: Message) -> int:
    """About what messages take in memory: their fields, and the object around each."""
    return sum(120 + 2 * message.ByteSize() for message in messages)
