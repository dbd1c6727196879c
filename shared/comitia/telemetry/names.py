"""Every attribute and every operation of spans and metrics, typed; the metrics are in metrics.py.

Nothing else in the code spells such a name. Names follow the OpenTelemetry semantic conventions
for messaging, Kafka and generative AI (version 1.41, still "development"), checked by a test
against the package `opentelemetry-semantic-conventions`; what they do not cover begins with
`comitia.`.
"""

from enum import StrEnum


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
    COMITIA_METHOD = "comitia.method"  # name of a Method, without its prefix
    COMITIA_REASON = "comitia.reason"  # why something was dropped or kept, in capitals
    COMITIA_STAGE = "comitia.stage"  # route, inbox, answer, collect, decide
    COMITIA_STEP = "comitia.step"  # kind of a step of a ladder
    COMITIA_OUTCOME = "comitia.outcome"  # what became of a seat; see metrics.SEATS
    COMITIA_RESOURCE = "comitia.resource"  # what of an engine is taken: sequences, cache
    COMITIA_SOURCE = "comitia.source"  # where a prompt's tokens came from: cache, read
    COMITIA_AGENT = "comitia.agent"  # an agent that this process serves
    COMITIA_SKILL = "comitia.skill"  # a skill that has weights

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
    smollm2-135m`; just `poll` where there is more than one target.
    """
    return f"{operation.value} {target}" if target else operation.value
