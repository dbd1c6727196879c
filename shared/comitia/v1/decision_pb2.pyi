from comitia.v1 import answer_pb2 as _answer_pb2
from comitia.v1 import format_pb2 as _format_pb2
from comitia.v1 import input_pb2 as _input_pb2
from comitia.v1 import policy_pb2 as _policy_pb2
from comitia.v1 import value_pb2 as _value_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DecisionStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_STATUS_UNSPECIFIED: _ClassVar[DecisionStatus]
    DECISION_STATUS_DECIDED: _ClassVar[DecisionStatus]
    DECISION_STATUS_NO_QUORUM: _ClassVar[DecisionStatus]
    DECISION_STATUS_ESCALATED: _ClassVar[DecisionStatus]
    DECISION_STATUS_CANCELLED: _ClassVar[DecisionStatus]
    DECISION_STATUS_EXPIRED: _ClassVar[DecisionStatus]
    DECISION_STATUS_NO_AGENT: _ClassVar[DecisionStatus]
    DECISION_STATUS_OVER_BUDGET: _ClassVar[DecisionStatus]
    DECISION_STATUS_OVERLOADED: _ClassVar[DecisionStatus]
    DECISION_STATUS_REJECTED: _ClassVar[DecisionStatus]
    DECISION_STATUS_FAILED: _ClassVar[DecisionStatus]

class Delivery(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVERY_UNSPECIFIED: _ClassVar[Delivery]
    DELIVERY_AT_LEAST_ONCE: _ClassVar[Delivery]
    DELIVERY_EXACTLY_ONCE: _ClassVar[Delivery]
DECISION_STATUS_UNSPECIFIED: DecisionStatus
DECISION_STATUS_DECIDED: DecisionStatus
DECISION_STATUS_NO_QUORUM: DecisionStatus
DECISION_STATUS_ESCALATED: DecisionStatus
DECISION_STATUS_CANCELLED: DecisionStatus
DECISION_STATUS_EXPIRED: DecisionStatus
DECISION_STATUS_NO_AGENT: DecisionStatus
DECISION_STATUS_OVER_BUDGET: DecisionStatus
DECISION_STATUS_OVERLOADED: DecisionStatus
DECISION_STATUS_REJECTED: DecisionStatus
DECISION_STATUS_FAILED: DecisionStatus
DELIVERY_UNSPECIFIED: Delivery
DELIVERY_AT_LEAST_ONCE: Delivery
DELIVERY_EXACTLY_ONCE: Delivery

class Decision(_message.Message):
    __slots__ = ("task_id", "revision", "status", "panel_id", "value", "method", "margin", "calibrated_probability", "ballots", "late", "missing", "explanation", "cost", "weights_version", "delivery", "dead_letter", "trace_id", "skill", "tenant", "session", "tied", "task_digest", "option_ids", "decided_by", "steps", "escalation", "settlement", "stages")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PANEL_ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    CALIBRATED_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    BALLOTS_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_VERSION_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    SKILL_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TIED_FIELD_NUMBER: _ClassVar[int]
    TASK_DIGEST_FIELD_NUMBER: _ClassVar[int]
    OPTION_IDS_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    ESCALATION_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    revision: int
    status: DecisionStatus
    panel_id: str
    value: _value_pb2.Value
    method: _policy_pb2.Method
    margin: float
    calibrated_probability: float
    ballots: _containers.RepeatedCompositeFieldContainer[Ballot]
    late: _containers.RepeatedCompositeFieldContainer[SeatRef]
    missing: _containers.RepeatedCompositeFieldContainer[SeatRef]
    explanation: str
    cost: Cost
    weights_version: int
    delivery: Delivery
    dead_letter: DeadLetterRef
    trace_id: str
    skill: str
    tenant: str
    session: str
    tied: _containers.RepeatedCompositeFieldContainer[_value_pb2.Value]
    task_digest: bytes
    option_ids: _containers.RepeatedScalarFieldContainer[str]
    decided_by: str
    steps: _containers.RepeatedCompositeFieldContainer[StepRecord]
    escalation: Escalation
    settlement: Settlement
    stages: _containers.RepeatedCompositeFieldContainer[StageRecord]
    def __init__(self, task_id: _Optional[str] = ..., revision: _Optional[int] = ..., status: _Optional[_Union[DecisionStatus, str]] = ..., panel_id: _Optional[str] = ..., value: _Optional[_Union[_value_pb2.Value, _Mapping]] = ..., method: _Optional[_Union[_policy_pb2.Method, str]] = ..., margin: _Optional[float] = ..., calibrated_probability: _Optional[float] = ..., ballots: _Optional[_Iterable[_Union[Ballot, _Mapping]]] = ..., late: _Optional[_Iterable[_Union[SeatRef, _Mapping]]] = ..., missing: _Optional[_Iterable[_Union[SeatRef, _Mapping]]] = ..., explanation: _Optional[str] = ..., cost: _Optional[_Union[Cost, _Mapping]] = ..., weights_version: _Optional[int] = ..., delivery: _Optional[_Union[Delivery, str]] = ..., dead_letter: _Optional[_Union[DeadLetterRef, _Mapping]] = ..., trace_id: _Optional[str] = ..., skill: _Optional[str] = ..., tenant: _Optional[str] = ..., session: _Optional[str] = ..., tied: _Optional[_Iterable[_Union[_value_pb2.Value, _Mapping]]] = ..., task_digest: _Optional[bytes] = ..., option_ids: _Optional[_Iterable[str]] = ..., decided_by: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[StepRecord, _Mapping]]] = ..., escalation: _Optional[_Union[Escalation, _Mapping]] = ..., settlement: _Optional[_Union[Settlement, _Mapping]] = ..., stages: _Optional[_Iterable[_Union[StageRecord, _Mapping]]] = ...) -> None: ...

class StepRecord(_message.Message):
    __slots__ = ("name", "kind", "taken", "reason", "margin", "leader", "tokens", "assignments", "rounds", "negotiation")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    NEGOTIATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    taken: bool
    reason: str
    margin: float
    leader: _value_pb2.Value
    tokens: int
    assignments: int
    rounds: int
    negotiation: NegotiationRecord
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., taken: _Optional[bool] = ..., reason: _Optional[str] = ..., margin: _Optional[float] = ..., leader: _Optional[_Union[_value_pb2.Value, _Mapping]] = ..., tokens: _Optional[int] = ..., assignments: _Optional[int] = ..., rounds: _Optional[int] = ..., negotiation: _Optional[_Union[NegotiationRecord, _Mapping]] = ...) -> None: ...

class NegotiationRecord(_message.Message):
    __slots__ = ("agreed", "offers", "nash_product", "nash_product_max", "pareto_efficient")
    AGREED_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    NASH_PRODUCT_FIELD_NUMBER: _ClassVar[int]
    NASH_PRODUCT_MAX_FIELD_NUMBER: _ClassVar[int]
    PARETO_EFFICIENT_FIELD_NUMBER: _ClassVar[int]
    agreed: bool
    offers: int
    nash_product: float
    nash_product_max: float
    pareto_efficient: bool
    def __init__(self, agreed: _Optional[bool] = ..., offers: _Optional[int] = ..., nash_product: _Optional[float] = ..., nash_product_max: _Optional[float] = ..., pareto_efficient: _Optional[bool] = ...) -> None: ...

class Escalation(_message.Message):
    __slots__ = ("reason", "input", "format", "candidates", "expires_ms", "expiry", "expiry_value")
    REASON_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_VALUE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    input: _input_pb2.Input
    format: _format_pb2.AnswerFormat
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    expires_ms: int
    expiry: str
    expiry_value: _value_pb2.Value
    def __init__(self, reason: _Optional[str] = ..., input: _Optional[_Union[_input_pb2.Input, _Mapping]] = ..., format: _Optional[_Union[_format_pb2.AnswerFormat, _Mapping]] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., expires_ms: _Optional[int] = ..., expiry: _Optional[str] = ..., expiry_value: _Optional[_Union[_value_pb2.Value, _Mapping]] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("value", "share", "agents")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    value: _value_pb2.Value
    share: float
    agents: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, value: _Optional[_Union[_value_pb2.Value, _Mapping]] = ..., share: _Optional[float] = ..., agents: _Optional[_Iterable[str]] = ...) -> None: ...

class Settlement(_message.Message):
    __slots__ = ("revision", "decision_offset", "by", "because", "expired")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_OFFSET_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    revision: int
    decision_offset: int
    by: str
    because: str
    expired: bool
    def __init__(self, revision: _Optional[int] = ..., decision_offset: _Optional[int] = ..., by: _Optional[str] = ..., because: _Optional[str] = ..., expired: _Optional[bool] = ...) -> None: ...

class StageRecord(_message.Message):
    __slots__ = ("stage", "attempt", "task_id", "status", "value", "explanation", "cost")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    stage: str
    attempt: int
    task_id: str
    status: DecisionStatus
    value: _value_pb2.Value
    explanation: str
    cost: Cost
    def __init__(self, stage: _Optional[str] = ..., attempt: _Optional[int] = ..., task_id: _Optional[str] = ..., status: _Optional[_Union[DecisionStatus, str]] = ..., value: _Optional[_Union[_value_pb2.Value, _Mapping]] = ..., explanation: _Optional[str] = ..., cost: _Optional[_Union[Cost, _Mapping]] = ...) -> None: ...

class Ballot(_message.Message):
    __slots__ = ("seat", "agent", "sample", "round", "assignment_id", "value", "abstention", "probabilities", "confidence", "weight", "rationale", "model", "usage", "shadow", "role", "kept", "peers")
    SEAT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ABSTENTION_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    RATIONALE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    seat: int
    agent: str
    sample: int
    round: int
    assignment_id: str
    value: _value_pb2.Value
    abstention: _answer_pb2.Abstention
    probabilities: _containers.RepeatedCompositeFieldContainer[_answer_pb2.OptionProbability]
    confidence: float
    weight: float
    rationale: str
    model: _answer_pb2.ModelRef
    usage: _answer_pb2.Usage
    shadow: bool
    role: str
    kept: str
    peers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, seat: _Optional[int] = ..., agent: _Optional[str] = ..., sample: _Optional[int] = ..., round: _Optional[int] = ..., assignment_id: _Optional[str] = ..., value: _Optional[_Union[_value_pb2.Value, _Mapping]] = ..., abstention: _Optional[_Union[_answer_pb2.Abstention, _Mapping]] = ..., probabilities: _Optional[_Iterable[_Union[_answer_pb2.OptionProbability, _Mapping]]] = ..., confidence: _Optional[float] = ..., weight: _Optional[float] = ..., rationale: _Optional[str] = ..., model: _Optional[_Union[_answer_pb2.ModelRef, _Mapping]] = ..., usage: _Optional[_Union[_answer_pb2.Usage, _Mapping]] = ..., shadow: _Optional[bool] = ..., role: _Optional[str] = ..., kept: _Optional[str] = ..., peers: _Optional[_Iterable[int]] = ...) -> None: ...

class SeatRef(_message.Message):
    __slots__ = ("seat", "agent")
    SEAT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    seat: int
    agent: str
    def __init__(self, seat: _Optional[int] = ..., agent: _Optional[str] = ...) -> None: ...

class Cost(_message.Message):
    __slots__ = ("prompt_tokens", "completion_tokens", "worked_ms", "elapsed_ms", "assignments")
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    WORKED_MS_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    prompt_tokens: int
    completion_tokens: int
    worked_ms: int
    elapsed_ms: int
    assignments: int
    def __init__(self, prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., worked_ms: _Optional[int] = ..., elapsed_ms: _Optional[int] = ..., assignments: _Optional[int] = ...) -> None: ...

class DeadLetterRef(_message.Message):
    __slots__ = ("topic", "partition", "offset")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partition: int
    offset: int
    def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...
