"""The catalogue of topics: name -> message, key, partitions, retention, cleanup, timestamp type,
largest message.

Everything that names a topic, a consumer group or a transactional id takes it from `Names`, so that
one prefix moves all of them together. Services create or verify their topics from `TOPICS`;
`comitia topics` and `comitia doctor` print and check them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from google.protobuf.message import Message

from comitia.errors import ConfigError
from comitia.ports import TopicSpec
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.command_pb2 import Command
from comitia.v1.control_pb2 import Control
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import Decision
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia.v1.weights_pb2 import Weights

KIB = 1024
MIB = 1024 * KIB
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

# Agents' and prefixes' names become parts of topic names, which Kafka limits to 249 of these
# characters.
AGENT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
PREFIX = re.compile(r"[a-zA-Z0-9._-]{0,64}")


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of topic.

    `append_time`: the broker stamps records (LogAppendTime), because deadlines are counted from its
    clock. `bytes_max`: largest record batch. The limits rise along the way of a task (tasks <
    inboxes, panel-events < dead letters), so that what was accepted at the door fits through every
    later one. `retention_bytes` is per partition.
    """

    entity: str
    message: type[Message]
    key: str
    written_by: str
    read_by: str
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int = 7 * DAY_MS
    retention_bytes: int = 1024 * MIB
    bytes_max: int = 1 * MIB
    append_time: bool = True
    partitions: int = 4

    def config(self) -> dict[str, str]:
        """Kafka's own settings for this topic, as text."""
        settings = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.bytes_max),
            "message.timestamp.type": "LogAppendTime" if self.append_time else "CreateTime",
        }
        if self.cleanup == "delete":
            settings["retention.ms"] = str(self.retention_ms)
            settings["retention.bytes"] = str(self.retention_bytes)
        return settings


INBOX = Topic(
    "inbox", Assignment, "task id", "router, aggregator", "that agent",
    retention_ms=DAY_MS, bytes_max=4 * MIB, partitions=4,
)  # fmt: skip

TOPICS: Mapping[str, Topic] = {
    topic.entity: topic
    for topic in (
        Topic("tasks", Task, "task id", "anyone", "router", bytes_max=1 * MIB),
        Topic("commands", Command, "task id", "anyone", "router", bytes_max=1 * MIB),
        Topic("stages", Task, "root id", "aggregator", "router", bytes_max=2 * MIB),
        Topic(
            "panel-events", PanelEvent, "root id, else task id", "router, agents, aggregator",
            "aggregator", bytes_max=4 * MIB,
        ),
        Topic(
            "decisions", Decision, "root id, else task id", "aggregator", "anyone",
            bytes_max=4 * MIB,
        ),
        Topic("feedback", Feedback, "task id", "anyone", "learner"),
        Topic(
            "weights", Weights, "skill, or skill@version", "learner", "router, aggregator",
            cleanup="compact", partitions=1,
        ),
        Topic(
            "agents", AgentCard, "name@version@digest", "agents", "router, dashboards",
            cleanup="compact", partitions=1,
        ),
        Topic(
            "heartbeats", Heartbeat, "agent, else service", "every service", "router, dashboards",
            retention_ms=HOUR_MS, retention_bytes=64 * MIB, partitions=1,
        ),
        Topic(
            "control", Control, "task id", "aggregator", "agents, without a group",
            retention_ms=2 * HOUR_MS, retention_bytes=64 * MIB, partitions=1,
        ),
        Topic(
            "dead-letters", DeadLetter, "the original's key", "any service", "people",
            retention_ms=30 * DAY_MS, bytes_max=8 * MIB, partitions=1,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Names:
    """Full names of topics, groups and transactional ids under one prefix ("" or, for example,
    "staging.").
    """

    prefix: str = ""

    def __post_init__(self) -> None:
        if not PREFIX.fullmatch(self.prefix):
            raise ConfigError(
                f"prefix {self.prefix!r}: use up to 64 characters of A-Z a-z 0-9 . _ -"
            )

    def topic(self, entity: str) -> str:
        """Full name of a topic of the catalogue. KeyError when there is no such entity."""
        return f"{self.prefix}comitia.{TOPICS[entity].entity}.v1"

    def inbox(self, agent: str, *, high: bool = False) -> str:
        """Full name of an agent's inbox; `high`: of its second one, for tasks of high priority.
        ConfigError when the agent's name cannot be part of a topic's name.
        """
        if not AGENT_NAME.fullmatch(agent):
            raise ConfigError(
                f"agent name {agent!r}: use 1 to 64 characters of a-z 0-9 -, not - at either end"
            )
        return f"{self.prefix}comitia.inbox.{agent}{'.high' if high else ''}.v1"

    def group(self, service: str) -> str:
        """Consumer group of a service, `agent.<name>` for an agent."""
        return f"{self.prefix}comitia.{service}"

    def transactional_id(self, service: str, partition: int) -> str:
        """Transactional id of the owner of one partition."""
        return f"{self.group(service)}.{partition}"

    def specs(self, replication: int = -1) -> list[TopicSpec]:
        """All topics but the inboxes, as they are to be created."""
        return [self._spec(self.topic(t.entity), t, replication) for t in TOPICS.values()]

    def inbox_spec(self, agent: str, replication: int = -1, *, high: bool = False) -> TopicSpec:
        """An agent's inbox, or its second one, as it is to be created."""
        return self._spec(self.inbox(agent, high=high), INBOX, replication)

    def inbox_specs(
        self, agent: str, replication: int = -1, *, priority_lane: bool = False
    ) -> list[TopicSpec]:
        """All inboxes that an agent has, as its card says."""
        lanes = (False, True) if priority_lane else (False,)
        return [self.inbox_spec(agent, replication, high=high) for high in lanes]

    @staticmethod
    def _spec(name: str, topic: Topic, replication: int) -> TopicSpec:
        return TopicSpec(name, topic.partitions, replication, topic.config())
