"""What the aggregator knows of one task, and the bounds within which it knows it.

A TaskState is the fold of a task's panel events; `step` alone changes it. It keeps what a decision
needs and no more, as serialised bytes: a parsed message takes several times their room, and an open
task may wait for an hour.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from comitia.consensus.attention import similarity
from comitia.consensus.weights import JUDGE, SkillWeights
from comitia.topics import Names
from comitia.v1.answer_pb2 import Answer
from comitia.v1.decision_pb2 import DELIVERY_EXACTLY_ONCE, Ballot, Delivery
from comitia.v1.panel_event_pb2 import ListedAssignment, PanelOpened, Seat
from comitia.v1.task_pb2 import Task
from comitia.values import value

KIB = 1024
# Memory of a task that holds nothing yet, and of each ballot or early answer beside its bytes.
STATE_BYTES = 500
ENTRY_BYTES = 100
# An answer up to this is remembered as it came; a longer one is cut first.
PLAIN_BYTES_MAX = 4 * KIB
NAME_BYTES_MAX = 128
# The router lets in 128; a longer one comes from somebody who writes into the log on his own.
TASK_ID_CHARACTERS_MAX = 256
_NAMES = (("skill", 256), ("tenant", 256), ("session", 512))


@dataclass(frozen=True, slots=True)
class Rules:
    """Bounds of the fold and the delivery that its decisions name.

    `keep_ms`: how long a cancel, or an answer that carries no deadline, waits for its panel.
    `remind_ms`: how often the log is told that a conflict is still open.
    `timeout_ms_max`: no deadline is believed that lies further than this after the append of the
    record that carries it. `early_max`: answers of one task held before its panel. A larger answer
    is an abstention, prose is cut, and a larger decision leaves prose and more out. `weights`:
    skill -> its newest weights; whoever keeps that table changes it between two steps. `names`: of
    the topics that rounds, conflicts and stages are written to. All but these, the topic and the
    delivery are settings.
    """

    decisions_topic: str
    keep_ms: int = 600_000
    remind_ms: int = 900_000
    timeout_ms_max: int = 3_600_000
    early_max: int = 2_000
    answer_bytes_max: int = 256 * KIB
    rationale_bytes_max: int = 16 * KIB
    detail_bytes_max: int = KIB
    reason_bytes_max: int = 4 * KIB
    cancel_bytes_max: int = KIB
    decision_bytes_max: int = 1024 * KIB
    delivery: Delivery = DELIVERY_EXACTLY_ONCE
    weights: Mapping[str, SkillWeights] = field(default_factory=dict, hash=False)
    names: Names = field(default_factory=Names)


@value
class Kept:
    """An answer as it is remembered: its assignment, its bytes without what no ballot shows, its
    append time (broker's clock, epoch milliseconds), how long its agent says that it worked.
    """

    assignment_id: str
    answer: bytes
    append_ms: int
    worked_ms: int


@value
class Round:
    """A round of the ladder. `step`: position of the step that opened it. `first`: position of its
    first assignment in the listing. `deadline_ms`: until when its answers count (broker's clock,
    epoch milliseconds). `shown`: seat -> seats whose answers it was shown.
    """

    number: int
    step: int
    first: int
    deadline_ms: int
    shown: Mapping[int, tuple[int, ...]]


@value
class Staged:
    """How far a task of stages is. `ended`: bytes of the StageRecords of the stages that have.
    `stage` and `attempt`: of the child that was asked for last, "" between two; `asked_ms`: when
    (broker's clock, epoch milliseconds); `opened`: the log shows it. `made`: bytes of the task's
    decision, once it has one.
    """

    ended: tuple[bytes, ...] = ()
    stage: str = ""
    attempt: int = 0
    asked_ms: int = 0
    opened: bool = False
    made: bytes = b""


@dataclass(slots=True)
class TaskState:
    """One task before its decision is acknowledged.

    `timer_ms`: when a Timer is wanted (broker's clock, epoch milliseconds). `digest`: of the task's
    content, b"" before its panel. `panel`: bytes of the winning PanelOpened without the task's
    input, b"" before it. `answers`: position in the panel's listing -> bytes of the Answer, for the
    first of each assignment that was in time. `late`: positions answered after the deadline.
    `cancelled`: the sentence that says so. `decided`: nothing can change any more.

    Where steps follow the vote, the panel and the answers are kept until the decision is
    acknowledged, and `panel` lists the assignments of every round that was opened: `rounds` says
    which is whose. `walk`: the steps met before the last of them, as bytes of StepRecords.
    `opening`: a round was asked for that the log does not show yet. `partition`: where the task's
    log is. `ending`: how an event has ended the task (see decision.kept), b"" where none has; no
    round that stands behind it in the log opens the task again.

    `conflict`: bytes of the ConflictOpened of a task that waits for a person; then nothing else is
    known of it. `settled`: names the verdict that was taken.
    """

    task_id: str
    timer_ms: int | None = None
    size_bytes: int = STATE_BYTES
    digest: bytes = b""
    panel: bytes = b""
    traceparent: str = ""
    answers: dict[int, bytes] = field(default_factory=dict)
    late: frozenset[int] = frozenset()
    worked_ms: int = 0
    early: tuple[Kept, ...] = ()
    cancelled: str = ""
    decided: bool = False
    rounds: tuple[Round, ...] = ()
    walk: tuple[bytes, ...] = ()
    opening: bool = False
    ending: bytes = b""
    partition: int = -1
    conflict: bytes = b""
    settled: bytes = b""
    staged: Staged | None = None


def spans(state: TaskState, panel: PanelOpened) -> list[range]:
    """Where the assignments of the first vote, and of each round after it, stand in the listing."""
    begun = (0, *(opened.first for opened in state.rounds), len(panel.assignments))
    return [range(first, end) for first, end in pairwise(begun)]


def digest_of(task: Task) -> bytes:
    """Names a task's content: equal for equal tasks, 16 bytes (BLAKE2b of the deterministic
    serialisation).
    """
    return hashlib.blake2b(task.SerializeToString(deterministic=True), digest_size=16).digest()


def without_input(panel: PanelOpened) -> PanelOpened:
    """A copy that keeps what a decision needs; all of the task where later rounds or stages will
    be given it. The policy that counts stands in the task.
    """
    kept = PanelOpened()
    kept.CopyFrom(panel)
    if kept.HasField("policy"):
        kept.task.policy.CopyFrom(kept.policy)
        kept.ClearField("policy")
    goes_on = kept.task.policy.steps or kept.task.policy.stages
    _strip(kept.task, whole=bool(goes_on))
    for seat in kept.seats:
        seat.ClearField("reason")
        if not goes_on:
            seat.ClearField("role")
    return kept


def head_of(task: Task) -> Task:
    """A copy of a task without its input, its names cut to a sane length."""
    head = Task()
    head.CopyFrom(task)
    _strip(head)
    return head


def _strip(task: Task, *, whole: bool = False) -> None:
    for name, bytes_max in _NAMES:
        text = getattr(task, name)
        if len(text) * 4 > bytes_max:
            setattr(task, name, cut(text, bytes_max))
    if whole:
        return
    task.ClearField("input")
    kind = task.format.WhichOneof("kind")
    if kind == "json":
        task.format.json.ClearField("schema")
    elif kind in ("choice", "ranking"):
        for option in getattr(task.format, kind).options:
            option.ClearField("text")


def keep(answer: Answer, append_ms: int, rules: Rules) -> Kept:
    """What is remembered, until its task is decided, of an answer that was appended at `append_ms`:
    its bytes, without what no ballot shows and with its prose cut. Of its vectors the cosine
    remains, as the only number of its embedding.
    """
    plain = min(PLAIN_BYTES_MAX, rules.rationale_bytes_max, rules.detail_bytes_max)
    kept = answer
    if (
        answer.ByteSize() > plain
        or answer.HasField("embedding")
        or answer.HasField("input_embedding")
    ):
        kept = Answer()
        kept.CopyFrom(answer)
        _reduce(kept)
        kept.rationale = cut(answer.rationale, rules.rationale_bytes_max)
        if answer.HasField("abstention"):
            kept.abstention.detail = cut(answer.abstention.detail, rules.detail_bytes_max)
    data, worked_ms = kept.SerializeToString(), answer.timings.worked_ms
    return Kept(answer.assignment_id, data, append_ms, worked_ms)


def _reduce(answer: Answer) -> None:
    """Nothing but attention uses vectors, and that needs no more of them."""
    task, said = answer.input_embedding, answer.embedding
    near = similarity(task.vector, said.vector) if task.embedder == said.embedder else None
    embedder = cut(said.embedder, NAME_BYTES_MAX)
    answer.ClearField("input_embedding")
    answer.ClearField("embedding")
    if near is not None:
        answer.embedding.embedder = embedder
        answer.embedding.vector.append(near)


def ballot_of(answer: Answer, listed: ListedAssignment, seat: Seat | None) -> Ballot:
    """The ballot that an answer casts, as it was kept; its weight 1.

    `listed`: the assignment that it answers, `seat`: of the panel, None where it has no such.
    """
    ballot = Ballot(
        seat=listed.seat,
        agent=seat.agent if seat is not None else answer.agent,
        shadow=seat is not None and seat.shadow,
        role=_role(seat),
        sample=listed.sample,
        round=listed.round,
        assignment_id=listed.id,
        weight=1.0,
    )
    if answer.rationale:
        ballot.rationale = answer.rationale
    if answer.HasField("confidence"):
        ballot.confidence = answer.confidence
    if answer.HasField("usage"):
        ballot.usage.CopyFrom(answer.usage)
    if answer.HasField("model"):
        ballot.model.name = cut(answer.model.name, NAME_BYTES_MAX)
        ballot.model.digest = cut(answer.model.digest, NAME_BYTES_MAX)
    outcome = answer.WhichOneof("outcome")
    if outcome == "abstention":
        ballot.abstention.reason = answer.abstention.reason
        ballot.abstention.detail = answer.abstention.detail
    elif outcome == "value":
        ballot.value.CopyFrom(answer.value)
        if answer.probabilities:
            ballot.probabilities.MergeFrom(answer.probabilities)
    return ballot


def _role(seat: Seat | None) -> str:
    """A judge is whoever sits for a step; a card may call anybody so."""
    if seat is None:
        return ""
    if seat.step:
        return JUDGE
    return "" if seat.role == JUDGE else seat.role


def cut(text: str, bytes_max: int) -> str:
    """`text`, shortened to at most `bytes_max` bytes of UTF-8."""
    if len(text) * 4 <= bytes_max:
        return text
    return text.encode()[:bytes_max].decode(errors="ignore")
