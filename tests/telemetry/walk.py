"""The edges of the walk as data: which span of one task hangs under, or links to, which other one,
and what each must say.

A name is the operation and the topic's entity, the agent or the model; `{inbox}` is the agent's
inbox. `test_walk.py` holds them against spans that separate processes exported.
"""

from dataclasses import dataclass
from typing import Literal

AGENT, MODEL = "anna", "scripted"


@dataclass(frozen=True)
class Node:
    """A kind of span: who makes it, its name, its kind by OTLP, and the attributes that it has."""

    service: str
    name: str
    kind: Literal["INTERNAL", "CLIENT", "PRODUCER", "CONSUMER"]
    attributes: frozenset[str]


@dataclass(frozen=True)
class Edge:
    """Each span of `start` has a parent, or a link, that is a span of `end`. `some`: one of them
    has, the others do not need to.
    """

    start: Node
    how: Literal["parent", "link"]
    end: Node
    some: bool = False


_MESSAGING = {
    "messaging.system",
    "messaging.operation.name",
    "messaging.client.id",
    "messaging.destination.name",
    "messaging.destination.partition.id",
}
_PLACE = {"messaging.operation.type", "messaging.kafka.offset"}
_READ = {"messaging.consumer.group.name"}
_SENT = _MESSAGING | _PLACE | {"messaging.kafka.message.key", "messaging.message.body.size"}
_GEN_AI = {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"}
_TASK = {"comitia.task.id"}
_WORK = _TASK | {"comitia.assignment.id"}


def send(service: str, entity: str, more: set[str] = _TASK) -> Node:
    return Node(service, f"send {entity}", "PRODUCER", frozenset(_SENT | more))


def process(service: str, entity: str, more: set[str] = _TASK) -> Node:
    told = _MESSAGING | _PLACE | _READ | {"messaging.message.body.size"} | more
    return Node(service, f"process {entity}", "CONSUMER", frozenset(told))


def poll(service: str, entity: str) -> Node:
    # Its partition only where all its records are of one.
    told = _MESSAGING - {"messaging.destination.partition.id"} | _READ
    told |= {"messaging.operation.type", "messaging.batch.message_count"}
    return Node(service, f"poll {entity}", "CLIENT", frozenset(told))


def commit(service: str, entity: str) -> Node:
    told = _MESSAGING - {"messaging.destination.partition.id"} | _READ
    return Node(
        service, f"commit {entity}", "CLIENT", frozenset(told | {"messaging.operation.type"})
    )


ASKED = send("cli", "tasks")
TASK = process("router", "tasks")
ASSIGNED = send("router", "{inbox}", _WORK)
OPENED = send("router", "panel-events")
WORK = process("agent", "{inbox}", _WORK)
INVOKED = Node(
    "agent",
    f"invoke_agent {AGENT}",
    "INTERNAL",
    frozenset(_GEN_AI | _WORK | {"gen_ai.agent.name", "gen_ai.agent.version"}),
)
CHAT = Node(
    "agent",
    f"chat {MODEL}",
    "INTERNAL",
    frozenset(_GEN_AI | {"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"}),
)
ANSWERED = send("agent", "panel-events", _WORK)
EVENT = process("aggregator", "panel-events")
DECIDED = send("aggregator", "decisions")
TRANSACTION = Node(
    "aggregator",
    "transaction decisions",
    "CLIENT",
    frozenset(_MESSAGING | {"messaging.batch.message_count"}),
)

# What a task's own trace consists of: one tree, with the publisher's span as its root.
TREE = (
    Edge(TASK, "parent", ASKED),
    Edge(ASSIGNED, "parent", TASK),
    Edge(OPENED, "parent", TASK),
    Edge(WORK, "parent", ASSIGNED),
    Edge(INVOKED, "parent", WORK),
    Edge(CHAT, "parent", INVOKED),
    Edge(ANSWERED, "parent", WORK),
    Edge(EVENT, "parent", OPENED, some=True),
    Edge(EVENT, "parent", ANSWERED, some=True),
    Edge(DECIDED, "parent", EVENT),
)
# Every record that is handled names its producer; a decision names the answer that made it, too.
LINKS = (
    Edge(TASK, "link", ASKED),
    Edge(WORK, "link", ASSIGNED),
    Edge(EVENT, "link", OPENED, some=True),
    Edge(EVENT, "link", ANSWERED, some=True),
    Edge(DECIDED, "link", EVENT),
    Edge(DECIDED, "link", TRANSACTION),
)
# Batches are traces of their own, because they serve many tasks.
BATCHES = (
    Edge(poll("router", "tasks"), "link", ASKED),
    Edge(poll("agent", "{inbox}"), "link", ASSIGNED),
    Edge(poll("aggregator", "panel-events"), "link", OPENED, some=True),
    Edge(poll("aggregator", "panel-events"), "link", ANSWERED, some=True),
    Edge(TRANSACTION, "link", EVENT),
    Edge(commit("router", "tasks"), "link", ASKED),
    Edge(commit("agent", "{inbox}"), "link", ASSIGNED),
    Edge(commit("aggregator", "panel-events"), "link", OPENED, some=True),
    Edge(commit("aggregator", "panel-events"), "link", ANSWERED, some=True),
)
EDGES = (*TREE, *LINKS, *BATCHES)
NODES = tuple(dict.fromkeys(node for edge in EDGES for node in (edge.start, edge.end)))
