"""What a member of a consumer group tells the metrics: its partitions, how far it is behind in
them, how often they were dealt out anew, and how much a fetch brings.

In come the member's reader, its assignments and its fetches; gauges are read from the reader
without a request when somebody collects them, maybe in the thread of an exporter.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter

from comitia.ports import Reader, Record
from comitia.runtime.context import Runtime
from comitia.telemetry.measures import destination
from comitia.telemetry.metrics import CONSUMER_LAG, PARTITIONS_OWNED, POLL_BATCH, REBALANCES
from comitia.telemetry.names import Attribute

_TOPIC_OF = attrgetter("topic")


class Membership:
    """One member of `group`, which reads `topics`."""

    def __init__(self, runtime: Runtime, group: str, topics: Sequence[str]) -> None:
        self.group = group
        self._telemetry = runtime.telemetry
        self._group: dict[str, str] = {Attribute.MESSAGING_CONSUMER_GROUP_NAME: group}
        self._batches = {
            topic: runtime.telemetry.buckets(POLL_BATCH, destination(topic)) for topic in topics
        }
        self._only = topics[0] if len(topics) == 1 else None
        self._reader: Reader | None = None
        self._assigned = False

    def reads(self, reader: Reader) -> None:
        """`reader` is how it reads."""
        self._reader = reader
        group = self._group
        self._telemetry.observe(PARTITIONS_OWNED, lambda: [(len(reader.assignment()), group)])
        self._telemetry.observe(CONSUMER_LAG, self._behind)

    def assigned(self) -> None:
        """It was given partitions, maybe the same ones. Each time but the first is a rebalance."""
        self._telemetry.add(REBALANCES, int(self._assigned), self._group)
        self._assigned = True

    def polled(self, records: Sequence[Record]) -> None:
        """One fetch brought `records`."""
        if self._only is not None:
            self._batches[self._only].record(len(records))
            return
        for topic, count in Counter(map(_TOPIC_OF, records)).items():
            self._batches[topic].record(count)

    @property
    def lag(self) -> int:
        """Records to be read, of all its partitions, as far as is known."""
        return sum(self._reader.lag().values()) if self._reader is not None else 0

    def _behind(self) -> list[tuple[float, Mapping[str, str]]]:
        topics: Counter[str] = Counter()
        for tp, records in (self._reader.lag() if self._reader is not None else {}).items():
            topics[tp.topic] += records
        return [(count, {**self._group, **destination(topic)}) for topic, count in topics.items()]
