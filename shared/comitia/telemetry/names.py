"""Every span, attribute and metric of Comitia, typed, with units (UCUM).

Nothing else in the code spells such a name. Names follow the OpenTelemetry semantic conventions
for messaging, Kafka and generative AI (version 1.41, still "development"), checked by a test
against the package `opentelemetry-semantic-conventions`; what they do not cover begins with
`comitia.`. Attributes of metrics have few values each: topics of inboxes are counted under their
template, never one by one, and no id of a task or an assignment is an attribute of a metric.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Attribute(StrEnum):
    """Attributes of spans, metrics and the resource. The comment gives type and range."""

    MESSAGING_SYSTEM = "messaging.system"  # always "kafka"
    MESSAGING_OPERATION_NAME = "messaging.operation.name"  # send, poll, process, commit, ...
    MESSAGING_OPERATION_TYPE = "messaging.operation.type"  # send, receive, process, settle
    MESSAGING_CLIENT_ID = "messaging.client.id"  # instance of the process; spans only
    MESSAGING_BATCH_MESSAGE_COUNT = "messaging.batch.message_count"  # int; spans only
    MESSAGING_DESTINATION_NAME = "messaging.destination.name"  # topic
    MESSAGING_DESTINATION_TEMPLATE = "messaging.destination.template"  # inboxes, in metrics
    MESSAGING_DESTINATION_PARTITION_ID = "messaging.destination.partition.id"  # partition as text
    MESSAGING_CONSUMER_GROUP_NAME = "messaging.consumer.group.name"
    MESSAGING_KAFKA_OFFSET = "messaging.kafka.offset"  # int
    MESSAGING_KAFKA_MESSAGE_KEY = "messaging.kafka.message.key"
    MESSAGING_MESSAGE_BODY_SIZE = "messaging.message.body.size"  # bytes
    ERROR_TYPE = "error.type"  # class of the error

    GEN_AI_OPERATION_NAME = "gen_ai.operation.name"  # invoke_agent, chat, embeddings
    GEN_AI_PROVIDER_NAME = "gen_ai.provider.name"  # who runs the model: "onnxruntime"
    GEN_AI_AGENT_NAME = "gen_ai.agent.name"
    GEN_AI_AGENT_VERSION = "gen_ai.agent.version"  # of the agent's card
    GEN_AI_INPUT_MESSAGES = "gen_ai.input.messages"  # JSON; content, only when opted in
    GEN_AI_OUTPUT_MESSAGES = "gen_ai.output.messages"  # JSON; content, only when opted in
    GEN_AI_REQUEST_MODEL = "gen_ai.request.model"  # name of the model's card
    GEN_AI_REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"  # tokens
    GEN_AI_REQUEST_TEMPERATURE = "gen_ai.request.temperature"
    GEN_AI_RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
    GEN_AI_USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"  # tokens
    GEN_AI_USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"  # tokens
    GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens"  # tokens
    GEN_AI_TOKEN_TYPE = "gen_ai.token.type"  # input, output

    COMITIA_TASK_ID = "comitia.task.id"  # spans only
    COMITIA_ASSIGNMENT_ID = "comitia.assignment.id"  # spans only
    COMITIA_MODEL_DIGEST = "comitia.model.digest"  # spans only
    COMITIA_STATUS = "comitia.status"  # name of a DecisionStatus, without its prefix
    COMITIA_REASON = "comitia.reason"  # why something was dropped or kept, in capitals
    COMITIA_AGENT = "comitia.agent"  # an agent that this process serves

    SERVICE_NAME = "service.name"
    SERVICE_NAMESPACE = "service.namespace"
    SERVICE_INSTANCE_ID = "service.instance.id"
    SERVICE_VERSION = "service.version"


class Operation(StrEnum):
    """First word of a span's name, and value of the operation's name."""

    SEND = "send"
    POLL = "poll"
    PROCESS = "process"
    COMMIT = "commit"
    TRANSACTION = "transaction"
    INVOKE_AGENT = "invoke_agent"
    CHAT = "chat"
    EMBEDDINGS = "embeddings"


SYSTEM = "kafka"
PROVIDER = "onnxruntime"
INBOX_TEMPLATE = "comitia.inbox.{agent}.v1"
HIGH_INBOX_TEMPLATE = "comitia.inbox.{agent}.high.v1"


def span_name(operation: Operation, target: str) -> str:
    """`send comitia.tasks.v1`, `process comitia.tasks.v1`, `invoke_agent anna`, `chat
    smollm2-135m`.
    """
    return f"{operation.value} {target}"


@dataclass(frozen=True, slots=True)
class Metric:
    """One instrument. `unit` is UCUM; `attributes` is all that its points may carry; `bounds` are
    a histogram's buckets.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    description: str
    attributes: tuple[Attribute, ...] = ()
    bounds: tuple[float, ...] = ()


_MESSAGING = (
    Attribute.MESSAGING_SYSTEM,
    Attribute.MESSAGING_OPERATION_NAME,
    Attribute.MESSAGING_DESTINATION_NAME,
    Attribute.MESSAGING_DESTINATION_TEMPLATE,
)
_GEN_AI = (
    Attribute.GEN_AI_OPERATION_NAME,
    Attribute.GEN_AI_PROVIDER_NAME,
    Attribute.GEN_AI_REQUEST_MODEL,
)

CONSUMED = Metric(
    "messaging.client.consumed.messages", "counter", "{message}", "Records read.", _MESSAGING
)
SENT = Metric(
    "messaging.client.sent.messages", "counter", "{message}", "Records acknowledged.", _MESSAGING
)
TOKEN_USAGE = Metric(
    "gen_ai.client.token.usage", "histogram", "{token}", "Tokens of one call of a model.",
    (*_GEN_AI, Attribute.GEN_AI_TOKEN_TYPE),
    (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864),
)  # fmt: skip
OPERATION_DURATION = Metric(
    "gen_ai.client.operation.duration", "histogram", "s", "One call of a model.", _GEN_AI,
    (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)  # fmt: skip
DEAD_LETTERS = Metric(
    "comitia.dead_letters", "counter", "{record}", "Records kept in the dead letters.",
    (Attribute.COMITIA_REASON,),
)  # fmt: skip
DECISIONS = Metric(
    "comitia.decisions", "counter", "{decision}", "Decisions acknowledged.",
    (Attribute.COMITIA_STATUS,),
)  # fmt: skip
TASKS_OPEN = Metric("comitia.tasks.open", "gauge", "{task}", "Tasks that are not decided yet.")
TASKS_OPEN_BYTES = Metric("comitia.tasks.open.size", "gauge", "By", "State of the open tasks.")
TASKS_DECIDED = Metric(
    "comitia.tasks.remembered", "gauge", "{task}", "Decided tasks whose ids are remembered."
)
FOLD_DURATION = Metric(
    "comitia.fold.duration", "histogram", "s", "From taking a partition over to going live.",
    (), (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)  # fmt: skip
TRANSACTION_DURATION = Metric(
    "comitia.transaction.duration", "histogram", "s", "From the beginning to the commit of one.",
    (), (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)  # fmt: skip
ANSWERS_DROPPED = Metric(
    "comitia.answers.dropped", "counter", "{answer}", "Answers that were not counted.",
    (Attribute.COMITIA_REASON,),
)  # fmt: skip
ASSIGNMENTS_DROPPED = Metric(
    "comitia.assignments.dropped", "counter", "{assignment}", "Assignments not worked on.",
    (Attribute.COMITIA_AGENT, Attribute.COMITIA_REASON),
)  # fmt: skip
IN_FLIGHT = Metric(
    "comitia.assignments.in_flight", "gauge", "{assignment}", "Work begun and not finished.",
    (Attribute.COMITIA_AGENT,),
)  # fmt: skip
WAITING = Metric(
    "comitia.assignments.waiting", "gauge", "{assignment}", "Work fetched and not begun.",
    (Attribute.COMITIA_AGENT,),
)  # fmt: skip
LOOKUPS = Metric(
    "comitia.lookups", "counter", "{task}", "Old tasks looked up among the decisions of the log.",
    (Attribute.COMITIA_REASON,),
)  # fmt: skip
RECORDS_LOST = Metric(
    "comitia.records.lost", "counter", "{record}", "Offsets removed before a take-over read them.",
    (Attribute.MESSAGING_DESTINATION_NAME,),
)  # fmt: skip
RETRIES = Metric(
    "comitia.retries", "counter", "{retry}", "Calls tried again after a passing fault.",
    (Attribute.COMITIA_REASON,),
)  # fmt: skip

METRICS: tuple[Metric, ...] = (
    CONSUMED, SENT, TOKEN_USAGE, OPERATION_DURATION, DEAD_LETTERS, DECISIONS, TASKS_OPEN,
    TASKS_OPEN_BYTES, TASKS_DECIDED, FOLD_DURATION, TRANSACTION_DURATION, ANSWERS_DROPPED,
    ASSIGNMENTS_DROPPED, IN_FLIGHT, WAITING, LOOKUPS, RECORDS_LOST, RETRIES,
)  # fmt: skip
