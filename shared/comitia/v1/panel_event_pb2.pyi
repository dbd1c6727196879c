from comitia.v1 import answer_pb2 as _answer_pb2
from comitia.v1 import decision_pb2 as _decision_pb2
from comitia.v1 import policy_pb2 as _policy_pb2
from comitia.v1 import task_pb2 as _task_pb2
from comitia.v1 import verdict_pb2 as _verdict_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PanelEvent(_message.Message):
    __slots__ = ("task_id", "panel_opened", "task_refused", "round_opened", "answer", "task_failed", "task_cancelled", "verdict", "stage_opened", "stage_ended", "conflict_opened")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    PANEL_OPENED_FIELD_NUMBER: _ClassVar[int]
    TASK_REFUSED_FIELD_NUMBER: _ClassVar[int]
    ROUND_OPENED_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    TASK_FAILED_FIELD_NUMBER: _ClassVar[int]
    TASK_CANCELLED_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    STAGE_OPENED_FIELD_NUMBER: _ClassVar[int]
    STAGE_ENDED_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_OPENED_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    panel_opened: PanelOpened
    task_refused: TaskRefused
    round_opened: RoundOpened
    answer: _answer_pb2.Answer
    task_failed: TaskFailed
    task_cancelled: TaskCancelled
    verdict: _verdict_pb2.Verdict
    stage_opened: StageOpened
    stage_ended: StageEnded
    conflict_opened: ConflictOpened
    def __init__(self, task_id: _Optional[str] = ..., panel_opened: _Optional[_Union[PanelOpened, _Mapping]] = ..., task_refused: _Optional[_Union[TaskRefused, _Mapping]] = ..., round_opened: _Optional[_Union[RoundOpened, _Mapping]] = ..., answer: _Optional[_Union[_answer_pb2.Answer, _Mapping]] = ..., task_failed: _Optional[_Union[TaskFailed, _Mapping]] = ..., task_cancelled: _Optional[_Union[TaskCancelled, _Mapping]] = ..., verdict: _Optional[_Union[_verdict_pb2.Verdict, _Mapping]] = ..., stage_opened: _Optional[_Union[StageOpened, _Mapping]] = ..., stage_ended: _Optional[_Union[StageEnded, _Mapping]] = ..., conflict_opened: _Optional[_Union[ConflictOpened, _Mapping]] = ...) -> None: ...

class PanelOpened(_message.Message):
    __slots__ = ("panel_id", "task", "seats", "assignments", "deadline_ms", "task_appended_ms", "policy", "round_deadline_ms")
    PANEL_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    SEATS_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    TASK_APPENDED_MS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    ROUND_DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    panel_id: str
    task: _task_pb2.Task
    seats: _containers.RepeatedCompositeFieldContainer[Seat]
    assignments: _containers.RepeatedCompositeFieldContainer[ListedAssignment]
    deadline_ms: int
    task_appended_ms: int
    policy: _policy_pb2.Policy
    round_deadline_ms: int
    def __init__(self, panel_id: _Optional[str] = ..., task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., seats: _Optional[_Iterable[_Union[Seat, _Mapping]]] = ..., assignments: _Optional[_Iterable[_Union[ListedAssignment, _Mapping]]] = ..., deadline_ms: _Optional[int] = ..., task_appended_ms: _Optional[int] = ..., policy: _Optional[_Union[_policy_pb2.Policy, _Mapping]] = ..., round_deadline_ms: _Optional[int] = ...) -> None: ...

class Seat(_message.Message):
    __slots__ = ("seat", "agent", "agent_version", "role", "reason", "probability", "shadow", "model_digest", "step", "priority_lane")
    SEAT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    AGENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_LANE_FIELD_NUMBER: _ClassVar[int]
    seat: int
    agent: str
    agent_version: int
    role: str
    reason: str
    probability: float
    shadow: bool
    model_digest: str
    step: str
    priority_lane: bool
    def __init__(self, seat: _Optional[int] = ..., agent: _Optional[str] = ..., agent_version: _Optional[int] = ..., role: _Optional[str] = ..., reason: _Optional[str] = ..., probability: _Optional[float] = ..., shadow: _Optional[bool] = ..., model_digest: _Optional[str] = ..., step: _Optional[str] = ..., priority_lane: _Optional[bool] = ...) -> None: ...

class ListedAssignment(_message.Message):
    __slots__ = ("id", "seat", "sample", "round")
    ID_FIELD_NUMBER: _ClassVar[int]
    SEAT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    id: str
    seat: int
    sample: int
    round: int
    def __init__(self, id: _Optional[str] = ..., seat: _Optional[int] = ..., sample: _Optional[int] = ..., round: _Optional[int] = ...) -> None: ...

class TaskRefused(_message.Message):
    __slots__ = ("status", "reason", "task", "task_appended_ms", "dead_letter")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    TASK_APPENDED_MS_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_FIELD_NUMBER: _ClassVar[int]
    status: _decision_pb2.DecisionStatus
    reason: str
    task: _task_pb2.Task
    task_appended_ms: int
    dead_letter: _decision_pb2.DeadLetterRef
    def __init__(self, status: _Optional[_Union[_decision_pb2.DecisionStatus, str]] = ..., reason: _Optional[str] = ..., task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., task_appended_ms: _Optional[int] = ..., dead_letter: _Optional[_Union[_decision_pb2.DeadLetterRef, _Mapping]] = ...) -> None: ...

class RoundOpened(_message.Message):
    __slots__ = ("panel_id", "round", "assignments", "step", "deadline_ms", "walk", "shown")
    PANEL_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    WALK_FIELD_NUMBER: _ClassVar[int]
    SHOWN_FIELD_NUMBER: _ClassVar[int]
    panel_id: str
    round: int
    assignments: _containers.RepeatedCompositeFieldContainer[ListedAssignment]
    step: int
    deadline_ms: int
    walk: _containers.RepeatedCompositeFieldContainer[_decision_pb2.StepRecord]
    shown: _containers.RepeatedCompositeFieldContainer[ShownPeers]
    def __init__(self, panel_id: _Optional[str] = ..., round: _Optional[int] = ..., assignments: _Optional[_Iterable[_Union[ListedAssignment, _Mapping]]] = ..., step: _Optional[int] = ..., deadline_ms: _Optional[int] = ..., walk: _Optional[_Iterable[_Union[_decision_pb2.StepRecord, _Mapping]]] = ..., shown: _Optional[_Iterable[_Union[ShownPeers, _Mapping]]] = ...) -> None: ...

class ShownPeers(_message.Message):
    __slots__ = ("seat", "peers")
    SEAT_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    seat: int
    peers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, seat: _Optional[int] = ..., peers: _Optional[_Iterable[int]] = ...) -> None: ...

class StageOpened(_message.Message):
    __slots__ = ("stage", "attempt", "child_id")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CHILD_ID_FIELD_NUMBER: _ClassVar[int]
    stage: str
    attempt: int
    child_id: str
    def __init__(self, stage: _Optional[str] = ..., attempt: _Optional[int] = ..., child_id: _Optional[str] = ...) -> None: ...

class StageEnded(_message.Message):
    __slots__ = ("child_id", "stage", "decision")
    CHILD_ID_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    child_id: str
    stage: str
    decision: _decision_pb2.Decision
    def __init__(self, child_id: _Optional[str] = ..., stage: _Optional[str] = ..., decision: _Optional[_Union[_decision_pb2.Decision, _Mapping]] = ...) -> None: ...

class ConflictOpened(_message.Message):
    __slots__ = ("decision", "decision_offset", "root_id")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_OFFSET_FIELD_NUMBER: _ClassVar[int]
    ROOT_ID_FIELD_NUMBER: _ClassVar[int]
    decision: _decision_pb2.Decision
    decision_offset: int
    root_id: str
    def __init__(self, decision: _Optional[_Union[_decision_pb2.Decision, _Mapping]] = ..., decision_offset: _Optional[int] = ..., root_id: _Optional[str] = ...) -> None: ...

class TaskFailed(_message.Message):
    __slots__ = ("reason", "dead_letter")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_FIELD_NUMBER: _ClassVar[int]
    reason: str
    dead_letter: _decision_pb2.DeadLetterRef
    def __init__(self, reason: _Optional[str] = ..., dead_letter: _Optional[_Union[_decision_pb2.DeadLetterRef, _Mapping]] = ...) -> None: ...

class TaskCancelled(_message.Message):
    __slots__ = ("reason", "by")
    REASON_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    reason: str
    by: str
    def __init__(self, reason: _Optional[str] = ..., by: _Optional[str] = ...) -> None: ...
