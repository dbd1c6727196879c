"""From Apache Kafka to Evidence: every topic of one prefix, read committed to its end, and every
offset commit that is still in `__consumer_offsets`.

The client is librdkafka, another one than the services'. Nothing is written and no group is joined.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin import OffsetSpec as _OffsetSpec  # type: ignore[attr-defined]

from tests.chaos.checker.evidence import Evidence, OffsetCommit, Place, Seen
from tests.chaos.checker.offsets import decode
from tests.chaos.checker.wire import messages

OFFSETS = "__consumer_offsets"
LATEST = _OffsetSpec.latest()  # type: ignore[no-untyped-call]
POLL_S = 1.0
# A broker that says nothing for so long is away.
SILENCE_S = 60.0
ASK_S = 30.0
# How long an open transaction may take to end: the coordinator looks every ten seconds.
OPEN_S = 40.0
_LISTS = {
    "tasks": ("tasks", "Task"),
    "commands": ("commands", "Command"),
    "panel-events": ("events", "PanelEvent"),
    "decisions": ("decisions", "Decision"),
    "control": ("control", "Control"),
    "dead-letters": ("letters", "DeadLetter"),
}


class Source:
    """A cluster, read as a whole. `close` it."""

    def __init__(self, bootstrap: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        self._bootstrap = bootstrap
        self._topics = {
            name: len(topic.partitions)
            for name, topic in self._admin.list_topics(timeout=ASK_S).topics.items()
        }

    def evidence(self, prefix: str) -> Evidence:
        """Everything under `prefix`. KafkaException when the cluster is away, LookupError when it
        has no such topics.
        """
        events, decisions = f"{prefix}comitia.panel-events.v1", f"{prefix}comitia.decisions.v1"
        if decisions not in self._topics:
            raise LookupError(f"there is no topic {decisions}: is {prefix!r} the prefix?")
        found = Evidence(prefix, self._topics[events])
        found.hidden = self._settled((decisions, events))
        lists: dict[str, tuple[list[Seen], str]] = {
            f"{prefix}comitia.{entity}.v1": (getattr(found, name), message)
            for entity, (name, message) in _LISTS.items()
        }
        inbox = re.compile(re.escape(prefix) + r"comitia\.inbox\.[a-z0-9-]+(\.high)?\.v1")
        inboxes = dict.fromkeys(
            filter(inbox.fullmatch, self._topics), (found.inboxes, "Assignment")
        )
        self._read(lists, committed=True)
        # An assignment counts though its transaction is open: agents read uncommitted.
        self._read(inboxes, committed=False)
        found.commits = list(self._commits(prefix))
        return found

    def _settled(self, topics: Sequence[str]) -> dict[str, int]:
        """Wait until no transaction is open in `topics`; what is hidden by one that stays."""
        until = time.monotonic() + OPEN_S
        while hidden := self._hidden(topics):
            if time.monotonic() > until:
                break
            time.sleep(POLL_S)
        return hidden

    def _hidden(self, topics: Sequence[str]) -> dict[str, int]:
        stable = self._ends(topics, IsolationLevel.READ_COMMITTED)
        written = self._ends(topics, IsolationLevel.READ_UNCOMMITTED)
        return {
            f"{topic}[{number}]": written[topic, number] - end
            for (topic, number), end in stable.items()
            if written[topic, number] > end
        }

    def _ends(self, topics: Sequence[str], isolation: IsolationLevel) -> dict[tuple[str, int], int]:
        asked = {
            TopicPartition(topic, number): LATEST
            for topic in topics
            for number in range(self._topics[topic])
        }
        found = self._admin.list_offsets(asked, isolation_level=isolation, request_timeout=ASK_S)
        return {(tp.topic, tp.partition): f.result().offset for tp, f in found.items()}

    def _read(self, lists: Mapping[str, tuple[list[Seen], str]], committed: bool) -> None:
        """Topic -> where its records go, and the message that they carry."""
        parse = messages().parse
        for record in self._records(list(lists), committed):
            seen, message = lists[record.topic()]
            value = record.value()
            seen.append(
                Seen(
                    Place(record.topic(), record.partition(), record.offset()),
                    record.timestamp()[1],
                    record.key(),
                    value,
                    parse(message, value),
                    tuple(record.headers() or ()),
                )
            )

    def _commits(self, prefix: str) -> Iterator[OffsetCommit]:
        for record in self._records([OFFSETS], committed=False):
            commit = decode(record.key(), record.value())
            if commit is not None and commit.group.startswith(f"{prefix}comitia."):
                yield commit

    def _records(self, topics: Sequence[str], committed: bool) -> Iterator[Any]:
        partitions = [
            TopicPartition(topic, number, 0)
            for topic in topics
            for number in range(self._topics.get(topic, 0))
        ]
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "comitia-checker",
                "isolation.level": "read_committed" if committed else "read_uncommitted",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        try:
            consumer.assign(partitions)
            at_end: set[tuple[str, int]] = set()
            heard = time.monotonic()
            while len(at_end) < len(partitions):
                record: Any = consumer.poll(POLL_S)
                if record is None:
                    if time.monotonic() - heard > SILENCE_S:
                        raise TimeoutError(f"{', '.join(topics)}: the end could not be read")
                    continue
                heard, error = time.monotonic(), record.error()
                if error is None:
                    yield record
                elif error.name() == "_PARTITION_EOF":
                    at_end.add((record.topic(), record.partition()))
                elif error.fatal():
                    raise KafkaException(error)
        finally:
            consumer.close()
