"""What the aggregator knows of one task, and the bounds within which it knows it.

A TaskState is the fold of a task's panel events; `step` alone changes it. It keeps what a decision
needs and no more, as serialised bytes: a parsed message takes several times their room, and an open
task may wait for an hour.
"""

import hashlib
from dataclasses import dataclass, field

from comitia.v1.answer_pb2 import ABSTENTION_REASON_UNDECIDED, Answer
from comitia.v1.decision_pb2 import DELIVERY_EXACTLY_ONCE, Ballot, Delivery
from comitia.v1.panel_event_pb2 import ListedAssignment, PanelOpened
from comitia.v1.task_pb2 import Task

KIB = 1024
# Memory of a task that holds nothing yet, and of each ballot or early answer beside its bytes.
STATE_BYTES = 500
ENTRY_BYTES = 100
RATIONALE_BYTES_MAX = 16 * KIB
DETAIL_BYTES_MAX = KIB
NAME_BYTES_MAX = 128
_NAMES = (("skill", 256), ("tenant", 256), ("session", 512))


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
    delivery: Delivery = DELIVERY_EXACTLY_ONCE


@dataclass(frozen=True, slots=True)
class Early:
    """An answer that came before its panel: the bytes of an Answer, its assignment, its append time
    (broker's clock, epoch milliseconds).
    """

    assignment_id: str
    answer: bytes
    append_ms: int


@dataclass(slots=True)
class TaskState:
    """One task before its decision is acknowledged.

    `timer_ms`: when a Timer is wanted (broker's clock, epoch milliseconds). `digest`: of the task's
    content, b"" before its panel. `panel`: bytes of the winning PanelOpened without the task's
    input, b"" before it. `ballots`: position in the panel's listing -> bytes of the Ballot, for the
    first answer of each assignment that was in time. `late`: positions answered after the deadline.
    `cancelled`: the sentence that says so. `decided`: nothing can change any more.
    """

    task_id: str
    timer_ms: int | None = None
    size_bytes: int = STATE_BYTES
    digest: bytes = b""
    panel: bytes = b""
    traceparent: str = ""
    ballots: dict[int, bytes] = field(default_factory=dict)
    late: frozenset[int] = frozenset()
    worked_ms: int = 0
    early: tuple[Early, ...] = ()
    cancelled: str = ""
    decided: bool = False


def digest_of(task: Task) -> bytes:
    """Names a task's content: equal for equal tasks, 16 bytes (BLAKE2b of the deterministic
    serialisation).
    """
    return hashlib.blake2b(task.SerializeToString(deterministic=True), digest_size=16).digest()


def without_input(panel: PanelOpened) -> PanelOpened:
    """A copy that keeps what a decision needs."""
    kept = PanelOpened()
    kept.CopyFrom(panel)
    _strip(kept.task)
    for seat in kept.seats:
        seat.ClearField("reason")
        seat.ClearField("role")
    return kept


def head_of(task: Task) -> Task:
    """A copy of a task without its input, its names cut to a sane length."""
    head = Task()
    head.CopyFrom(task)
    _strip(head)
    return head


def _strip(task: Task) -> None:
    task.ClearField("input")
    for name, bytes_max in _NAMES:
        text = getattr(task, name)
        if len(text) * 4 > bytes_max:
            setattr(task, name, cut(text, bytes_max))
    kind = task.format.WhichOneof("kind")
    if kind == "json":
        task.format.json.ClearField("schema")
    elif kind in ("choice", "ranking"):
        for option in getattr(task.format, kind).options:
            option.ClearField("text")


def ballot_of(
    answer: Answer, listed: ListedAssignment, agent: str, answer_bytes_max: int
) -> Ballot:
    """The ballot that an answer casts, its prose cut to its limits; its weight 1.

    `listed`: the assignment that it answers, `agent`: who holds the seat.
    """
    ballot = Ballot(
        seat=listed.seat,
        agent=agent,
        sample=listed.sample,
        round=listed.round,
        assignment_id=answer.assignment_id,
        rationale=cut(answer.rationale, RATIONALE_BYTES_MAX),
        weight=1.0,
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
