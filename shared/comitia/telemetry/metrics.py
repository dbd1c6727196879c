"""The catalogue of metrics: name, kind, unit (UCUM), who measures it, meaning, attributes with
their values, buckets.

Those of a model's engine are in model_metrics.py, the learner's in learning_metrics.py. Nothing
else in the code spells the name of a metric, and docs/metrics.md is made from here. Names follow
the OpenTelemetry semantic conventions (see names.py); what they do not cover begins with
`comitia.`. Attributes have few values each: topics of inboxes are counted under their template, and
no id of a task or an assignment is an attribute of a metric.
"""

from collections.abc import Mapping

from comitia.telemetry.conflict_metrics import CONFLICTS, REVISIONS, STEPS
from comitia.telemetry.learning_metrics import (
    COMPARED,
    FEEDBACK,
    FIT_DURATION,
    WEIGHTS_FEEDBACK,
    WEIGHTS_VERSION,
)
from comitia.telemetry.metric import Label, Metric
from comitia.telemetry.model_metrics import (
    MODEL_BATCH,
    MODEL_BATCH_TOKENS,
    MODEL_OCCUPANCY,
    MODEL_STEP_DURATION,
    PROMPT_TOKENS,
)
from comitia.telemetry.names import HIGH_INBOX_TEMPLATE, INBOX_TEMPLATE, PROVIDER, Attribute

# Agents that `comitia.seats` tells apart; the seats of all others are counted as OTHER.
AGENTS_MAX = 200
OTHER = "_other"

_ALL = "router, aggregator, agent, learner"
# From a hop on one machine to the longest timeout of a task.
_DURATIONS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600,
)  # fmt: skip
_BATCHES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_TENTHS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
_TOPIC: tuple[Label, ...] = (
    (Attribute.MESSAGING_DESTINATION_NAME, "topic; absent for inboxes"),
    (
        Attribute.MESSAGING_DESTINATION_TEMPLATE,
        f"`{INBOX_TEMPLATE}` or `{HIGH_INBOX_TEMPLATE}` for inboxes, else absent",
    ),
)
_GROUP: Label = (Attribute.MESSAGING_CONSUMER_GROUP_NAME, "consumer group")
_AGENT: Label = (Attribute.COMITIA_AGENT, "an agent that this process serves")
_STATUS: Label = (
    Attribute.COMITIA_STATUS,
    "DECIDED, NO_QUORUM, ESCALATED, CANCELLED, EXPIRED, NO_AGENT, OVER_BUDGET, OVERLOADED, "
    "REJECTED, FAILED",
)
_GEN_AI: tuple[Label, ...] = (
    (Attribute.GEN_AI_OPERATION_NAME, "chat, embeddings"),
    (Attribute.GEN_AI_PROVIDER_NAME, PROVIDER),
    (Attribute.GEN_AI_REQUEST_MODEL, "name of a model's card"),
)


def _messaging(operation: str) -> tuple[Label, ...]:
    return (
        (Attribute.MESSAGING_SYSTEM, "kafka"),
        (Attribute.MESSAGING_OPERATION_NAME, operation),
        *_TOPIC,
    )


def _reason(values: str) -> Label:
    return (Attribute.COMITIA_REASON, values)


# --- tasks and decisions ---------------------------------------------------------------------

DECISIONS = Metric(
    "comitia.decisions", "counter", "{decision}", "aggregator",
    "Decisions published: with transactions, those committed. One whose commit ended in doubt is "
    "left out here, though the log may hold it.",
    (_STATUS,),
)  # fmt: skip
TASK_DURATION = Metric(
    "comitia.task.duration", "histogram", "s", "aggregator",
    "From the append of a task to the append of its decision, by the log's clock. Counted with "
    "comitia.decisions; tasks of which only a failure is known are left out.",
    (_STATUS,), _DURATIONS,
)  # fmt: skip
STAGE_DURATION = Metric(
    "comitia.task.stage.duration", "histogram", "s", "router, aggregator, agent",
    "One stage of a task. route (router): its append to the append of its panel. inbox (agent): "
    "append of an assignment to the beginning of work. answer (agent): from there to the "
    "acknowledgement of the answer; work that was given up is left out. collect (aggregator): "
    "append of the panel to the event that closed the vote, the last answer that mattered or the "
    "deadline. decide (aggregator): from there to the published decision. A task or assignment "
    "that is read again after a crash is measured again in route and inbox, once more each time; "
    "collect and decide count each "
    "decision once.",
    ((Attribute.COMITIA_STAGE, "route, inbox, answer, collect, decide"),), _DURATIONS,
)  # fmt: skip
SEATS = Metric(
    "comitia.seats", "counter", "{seat}", "aggregator",
    "Seats of the panels of decided tasks, each once, by what became of it. agreed, dissented: "
    "voted for the value decided, or for another. voted: cast a ballot, and no value was decided "
    "(or the decision was too large to show it). abstained: said that it cannot tell. failed: "
    "abstained because it failed or had no room. late: its answer came after the deadline, and "
    "before the decision. missing: no answer when the deadline came. not_awaited: the vote was "
    "closed without it, before the deadline. shadow: answered, and does not count. What arrives "
    "after the decision changes none of these: it is counted in comitia.answers.dropped as "
    "AFTER_DECISION.",
    (
        (Attribute.COMITIA_AGENT, f"the first {AGENTS_MAX} agents that had a seat, then `{OTHER}`"),
        (
            Attribute.COMITIA_OUTCOME,
            "agreed, dissented, voted, abstained, failed, late, missing, not_awaited, shadow",
        ),
    ),
)  # fmt: skip
VOTES = Metric(
    "comitia.votes", "counter", "{decision}", "aggregator",
    "Decisions made by a vote, by the method that it was counted by.",
    ((Attribute.COMITIA_METHOD, "name of a Method without its prefix, such as PLURALITY"),),
)  # fmt: skip
ASSIGNMENTS_SAVED = Metric(
    "comitia.assignments.saved", "counter", "{assignment}", "aggregator",
    "Assignments without an answer when their vote was closed before the deadline: calls that need "
    "not be paid for, as far as agents had not begun.",
)  # fmt: skip
MARGIN = Metric(
    "comitia.decision.margin", "histogram", "1", "aggregator",
    "Of each task DECIDED: the winner's share minus the runner-up's.", (), _TENTHS,
)  # fmt: skip
AGREEMENT = Metric(
    "comitia.decision.agreement", "histogram", "1", "aggregator",
    "Of each task DECIDED: the share of the ballots cast that are for the value decided.",
    (), _TENTHS,
)  # fmt: skip
TASKS_OPEN = Metric(
    "comitia.tasks.open", "gauge", "{task}", "aggregator",
    "Tasks that are not decided yet, of this process's partitions.",
)  # fmt: skip
TASKS_OPEN_BYTES = Metric(
    "comitia.tasks.open.size", "gauge", "By", "aggregator", "State of the open tasks."
)
TASKS_DECIDED = Metric(
    "comitia.tasks.remembered", "gauge", "{task}", "aggregator",
    "Decided tasks whose ids are remembered.",
)  # fmt: skip
ANSWERS_DROPPED = Metric(
    "comitia.answers.dropped", "counter", "{answer}", "aggregator",
    "Answers that were not counted, when they are folded; a fold after a take-over counts them "
    "again.",
    (_reason(
        "LATE (after the deadline), AFTER_DECISION, DUPLICATE (another one of the assignment "
        "counts), UNLISTED (by no panel), NO_PANEL (none came in time), TOO_MANY, OVERLOADED"
    ),),
)  # fmt: skip
LOOKUPS = Metric(
    "comitia.lookups", "counter", "{task}", "aggregator",
    "Old tasks looked up among the decisions of the log.", (_reason("FOUND, NOT_FOUND"),),
)  # fmt: skip

# --- agents and models -----------------------------------------------------------------------

AGENTS_ALIVE = Metric(
    "comitia.agents.alive", "gauge", "{agent}", "router", "Agents that the router may seat."
)
UNSTARTED = Metric(
    "comitia.assignments.unstarted", "gauge", "{assignment}", "agent",
    "Assignments not begun in this process's partitions of the agent's inboxes: not read yet, by "
    "the end that the last fetch told, or read and waiting. The sum over all processes is all.",
    (_AGENT,),
)  # fmt: skip
WAITING = Metric(
    "comitia.assignments.waiting", "gauge", "{assignment}", "agent",
    "Assignments read and not begun.", (_AGENT,),
)  # fmt: skip
IN_FLIGHT = Metric(
    "comitia.assignments.in_flight", "gauge", "{assignment}", "agent",
    "Assignments begun and not answered.", (_AGENT,),
)  # fmt: skip
ASSIGNMENTS_DROPPED = Metric(
    "comitia.assignments.dropped", "counter", "{assignment}", "agent",
    "Assignments not answered because nobody waits for it.",
    (_AGENT, _reason("STOPPED (the outcome can no longer change), EXPIRED (past its deadline)")),
)  # fmt: skip
OPERATION_DURATION = Metric(
    "gen_ai.client.operation.duration", "histogram", "s", "agent",
    "One call of a model, waiting for its turn included.", _GEN_AI,
    (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)  # fmt: skip
TOKEN_USAGE = Metric(
    "gen_ai.client.token.usage", "histogram", "{token}", "agent",
    "Tokens of one call of a model. Its sum is the tokens used.",
    (*_GEN_AI, (Attribute.GEN_AI_TOKEN_TYPE, "input, output")),
    (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864),
)  # fmt: skip
TIME_TO_FIRST_TOKEN = Metric(
    "gen_ai.server.time_to_first_token", "histogram", "s", "agent",
    "From the arrival of a request for text at the engine to its first token.", _GEN_AI,
    (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
)  # fmt: skip
TIME_PER_OUTPUT_TOKEN = Metric(
    "gen_ai.server.time_per_output_token", "histogram", "s", "agent",
    "Of one request for text: the mean time of each token after the first.", _GEN_AI,
    # The conventions' buckets begin at 0.01; small models are faster.
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5),
)  # fmt: skip
# --- delivery --------------------------------------------------------------------------------

READY = Metric(
    "comitia.ready", "gauge", "1", _ALL, "1 while /readyz says that the service is ready, else 0."
)
CONSUMER_LAG = Metric(
    "comitia.consumer.lag", "gauge", "{record}", _ALL,
    "Records between what was read and the end that the last fetch told, of this process's "
    "partitions. The sum over all processes is the group's.",
    (_GROUP, *_TOPIC),
)  # fmt: skip
PARTITIONS_OWNED = Metric(
    "comitia.partitions.owned", "gauge", "{partition}", _ALL,
    "Partitions that this process reads as a member of the group.", (_GROUP,),
)  # fmt: skip
REBALANCES = Metric(
    "comitia.rebalances", "counter", "{rebalance}", _ALL,
    "Assignments of partitions that a member received after its first one.", (_GROUP,),
)  # fmt: skip
POLL_BATCH = Metric(
    "comitia.poll.batch.size", "histogram", "{record}", _ALL,
    "Records of one topic in one fetch that brought any.", _TOPIC, _BATCHES,
)  # fmt: skip
TRANSACTION_BATCH = Metric(
    "comitia.transaction.batch.size", "histogram", "{event}", "aggregator",
    "Events whose effects one transaction delivered.", (), _BATCHES,
)  # fmt: skip
TRANSACTION_DURATION = Metric(
    "comitia.transaction.duration", "histogram", "s", "aggregator, learner",
    "From the beginning of a transaction to its commit.",
    (), (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)  # fmt: skip
FOLD_DURATION = Metric(
    "comitia.fold.duration", "histogram", "s", "aggregator, learner",
    "From taking a partition over to going live; the learner's is that of `weights`.",
    (), (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)  # fmt: skip
CONSUMED = Metric(
    "messaging.client.consumed.messages", "counter", "{message}", _ALL,
    "Records read, in groups.", _messaging("poll"),
)  # fmt: skip
SENT = Metric(
    "messaging.client.sent.messages", "counter", "{message}", _ALL,
    "Records acknowledged.", _messaging("send"),
)  # fmt: skip
DEAD_LETTERS = Metric(
    "comitia.dead_letters", "counter", "{record}", _ALL, "Records kept in the dead letters.",
    (_reason("why, in capitals, such as UNREADABLE, TOO_LARGE, HANDLER_FAILED, DUPLICATE_ID"),),
)  # fmt: skip
RETRIES = Metric(
    "comitia.retries", "counter", "{retry}", _ALL, "Calls tried again after a passing fault.",
    (_reason("what is tried: broker, publish, answer"),),
)  # fmt: skip
RECORDS_LOST = Metric(
    "comitia.records.lost", "counter", "{record}", "aggregator, learner",
    "Offsets that retention removed before a take-over read them.",
    ((Attribute.MESSAGING_DESTINATION_NAME, "topic"),),
)  # fmt: skip

GROUPS: Mapping[str, tuple[Metric, ...]] = {
    "Tasks and decisions": (
        DECISIONS, VOTES, TASK_DURATION, STAGE_DURATION, SEATS, MARGIN, AGREEMENT,
        ASSIGNMENTS_SAVED, TASKS_OPEN, TASKS_OPEN_BYTES, TASKS_DECIDED, ANSWERS_DROPPED, LOOKUPS,
    ),
    "Conflicts": (STEPS, CONFLICTS, REVISIONS),
    "Agents and models": (
        AGENTS_ALIVE, UNSTARTED, WAITING, IN_FLIGHT, ASSIGNMENTS_DROPPED, OPERATION_DURATION,
        TOKEN_USAGE, TIME_TO_FIRST_TOKEN, TIME_PER_OUTPUT_TOKEN, MODEL_BATCH,
        MODEL_BATCH_TOKENS, MODEL_STEP_DURATION, MODEL_OCCUPANCY, PROMPT_TOKENS,
    ),
    "Learning": (FEEDBACK, COMPARED, WEIGHTS_VERSION, WEIGHTS_FEEDBACK, FIT_DURATION),
    "Delivery": (
        READY, CONSUMER_LAG, PARTITIONS_OWNED, REBALANCES, POLL_BATCH, TRANSACTION_BATCH,
        TRANSACTION_DURATION, FOLD_DURATION, CONSUMED, SENT, DEAD_LETTERS, RETRIES, RECORDS_LOST,
    ),
}  # fmt: skip
METRICS = tuple(metric for group in GROUPS.values() for metric in group)
