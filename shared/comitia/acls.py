"""What each principal needs of Kafka's authorizer, as data: not one right more, and a test that
fails with one less.

In come the names (one prefix moves all of them) and, for an agent, who it is; out come ACLs, one
per resource. docs/operations.md prints them as commands; a chart's users are held against the same
list. Services are expected not to create topics (COMITIA_CREATE_TOPICS=false): the operator does.

Kafka's rules that keep the list short: Read and Write imply Describe; Write on a topic allows
idempotent writing since Apache Kafka 2.8 (before it, IdempotentWrite on the cluster is needed).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from comitia.topics import Names

ResourceType = Literal["topic", "group", "transactional-id", "cluster"]
Pattern = Literal["literal", "prefixed"]
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]
CLUSTER = "kafka-cluster"


@dataclass(frozen=True, slots=True)
class Acl:
    """Operations that are allowed on one resource, or on all whose names begin with `name`
    (`pattern` prefixed), from every host.
    """

    resource: ResourceType
    name: str
    pattern: Pattern
    operations: tuple[Operation, ...]


def router(names: Names) -> list[Acl]:
    """Reads tasks, commands, stages, cards, weights and heartbeats; writes panels and assignments;
    looks whether `decisions` has as many partitions as `panel-events`.
    """
    return [
        _topic(names, "tasks", "Read"),
        _topic(names, "commands", "Read"),
        _topic(names, "stages", "Read"),
        _topic(names, "agents", "Read"),
        _topic(names, "weights", "Read"),
        _topic(names, "heartbeats", "Read", "Write"),
        _topic(names, "panel-events", "Write"),
        _topic(names, "decisions", "Describe"),
        _topic(names, "dead-letters", "Write"),
        Acl("topic", inboxes(names), "prefixed", ("Write", "DescribeConfigs")),
        Acl("group", names.group("router"), "literal", ("Read",)),
    ]


def aggregator(names: Names) -> list[Acl]:
    """Reads panel-events, weights and its own decisions; writes, in transactions, these, stages,
    later rounds and their assignments, and feedback from verdicts; orders to stop; and into the log
    that an event of a task could not be read.
    """
    return [
        _topic(names, "panel-events", "Read", "Write"),
        _topic(names, "decisions", "Read", "Write"),
        _topic(names, "weights", "Read"),
        _topic(names, "stages", "Write"),
        _topic(names, "feedback", "Write"),
        _topic(names, "control", "Write"),
        _topic(names, "heartbeats", "Write"),
        _topic(names, "dead-letters", "Write"),
        Acl("topic", inboxes(names), "prefixed", ("Write", "DescribeConfigs")),
        Acl("group", names.group("aggregator"), "literal", ("Read",)),
        Acl("transactional-id", f"{names.group('aggregator')}.", "prefixed", ("Write",)),
    ]


def learner(names: Names) -> list[Acl]:
    """Reads feedback, decisions and its own weights; writes weights, in transactions, and what
    feedback it refuses.
    """
    return [
        _topic(names, "feedback", "Read"),
        _topic(names, "decisions", "Read"),
        _topic(names, "weights", "Read", "Write"),
        _topic(names, "heartbeats", "Write"),
        _topic(names, "dead-letters", "Write"),
        Acl("group", names.group("learner"), "literal", ("Read",)),
        Acl("transactional-id", f"{names.group('learner')}.", "prefixed", ("Write",)),
    ]


def agent(names: Names, name: str, *, priority_lane: bool = False) -> list[Acl]:
    """Reads cards, orders to stop and its own inbox, or both where its card has a priority lane;
    writes its card and its answers. A process that serves several agents needs what each of them
    needs.
    """
    lanes = (False, True) if priority_lane else (False,)
    return [
        _topic(names, "agents", "Read", "Write"),
        _topic(names, "control", "Read"),
        _topic(names, "panel-events", "Write"),
        _topic(names, "heartbeats", "Write"),
        _topic(names, "dead-letters", "Write"),
        *(
            Acl("topic", names.inbox(name, high=high), "literal", ("Read", "DescribeConfigs"))
            for high in lanes
        ),
        *(
            Acl("group", names.group(f"agent.{name}{'.high' * high}"), "literal", ("Read",))
            for high in lanes
        ),
    ]


def publisher(names: Names) -> list[Acl]:
    """Whoever asks: `comitia ask`, `publish`, `cancel`, `tail`, `feedback`, or a program of
    somebody's own. Writes tasks, commands and feedback, reads decisions, without a group.
    """
    return [
        _topic(names, "tasks", "Write"),
        _topic(names, "commands", "Write"),
        _topic(names, "feedback", "Write"),
        _topic(names, "decisions", "Read"),
    ]


def operator(names: Names) -> list[Acl]:
    """Whoever runs it: `comitia topics --apply`, `doctor`, `agents`, `explain`, `dlq` and all that
    a publisher may. Creates topics, reads all of them, writes what `dlq` and `agents` put back.
    """
    own = f"{names.prefix}comitia."
    return [
        Acl("topic", own, "prefixed", ("Create", "Read", "DescribeConfigs")),
        *(
            Acl("topic", names.topic(entity), "literal", ("Write",))
            for entity in (
                "tasks", "commands", "feedback", "agents", "panel-events", "dead-letters",
            )
        ),
        Acl("topic", inboxes(names), "prefixed", ("Write",)),
        Acl("transactional-id", names.group("doctor"), "literal", ("Write",)),
        Acl("cluster", CLUSTER, "literal", ("Describe", "DescribeConfigs")),
    ]  # fmt: skip


def inboxes(names: Names) -> str:
    """What the names of all agents' inboxes begin with."""
    return names.inbox("x").removesuffix("x.v1")


def commands(principal: str, acls: Iterable[Acl], bootstrap: str) -> list[str]:
    """One `kafka-acls.sh` call an ACL. `principal` as Kafka writes it: "User:comitia-router"."""
    flag = {
        "topic": "--topic {}", "group": "--group {}", "transactional-id": "--transactional-id {}",
        "cluster": "--cluster",
    }  # fmt: skip
    return [
        f"kafka-acls.sh --bootstrap-server {bootstrap} --add --allow-principal {principal}"
        + "".join(f" --operation {operation}" for operation in acl.operations)
        + f" {flag[acl.resource].format(acl.name)}"
        + (" --resource-pattern-type prefixed" if acl.pattern == "prefixed" else "")
        for acl in acls
    ]


def _topic(names: Names, entity: str, *operations: Operation) -> Acl:
    """Every client here looks at a topic's settings before it uses it."""
    return Acl("topic", names.topic(entity), "literal", (*operations, "DescribeConfigs"))
