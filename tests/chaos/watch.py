"""What comes out, as it comes: decisions seen the moment they are written, and once they count.

One thread reads `decisions` uncommitted, so that a fault can fall between a decision's write and
its commit; another reads it committed and notes which tasks are decided; a third asks from time to
time which aggregator owns which partition.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from comitia.topics import TOPICS, Names
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from tests.chaos.cluster import client

OWNERS_EVERY_S = 0.5
POLL_S = 0.2


class Watch:
    """Opened once the topics exist, inside the event loop; `close` ends the threads."""

    def __init__(self, bootstrap: str, names: Names) -> None:
        self.statuses: Counter[str] = Counter()
        # Tasks that have a committed decision.
        self.decided: set[str] = set()
        self._bootstrap, self._names = bootstrap, names
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._sight: asyncio.Future[int | None] | None = None
        self._owners: dict[int, str] = {}
        runs = (self._see, self._count, self._ask_owners)
        self._threads = [threading.Thread(target=run, daemon=True) for run in runs]
        for thread in self._threads:
            thread.start()

    def owner_of(self, partition: int) -> str:
        """Name of the aggregator that last was known to own it; "" when none was."""
        return self._owners.get(partition, "")

    async def decision(self, timeout_s: float) -> int | None:
        """Partition of the next decision to be written, most likely not committed yet."""
        self._sight = self._loop.create_future()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._sight
        except TimeoutError:
            return None
        finally:
            self._sight = None

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _see(self) -> None:
        self._read("read_uncommitted", self._seen)

    def _count(self) -> None:
        self._read("read_committed", self._counted)

    def _seen(self, message: Message) -> None:
        if self._sight is not None:
            self._loop.call_soon_threadsafe(self._tell, message.partition())

    def _tell(self, partition: int | None) -> None:
        if self._sight is not None and not self._sight.done():
            self._sight.set_result(partition)

    def _counted(self, message: Message) -> None:
        decision = Decision.FromString(message.value() or b"")
        self.decided.add(decision.task_id)
        name = DecisionStatus.Name(decision.status)
        self.statuses[name.removeprefix("DECISION_STATUS_").lower()] += 1

    def _read(self, isolation: str, take: Callable[[Message], None]) -> None:
        consumer = Consumer(
            client(self._bootstrap)
            | {
                "group.id": f"chaos-{isolation}",
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
            }
        )
        topic = self._names.topic("decisions")
        partitions = range(TOPICS["decisions"].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        while not self._stop.is_set():
            message = consumer.poll(POLL_S)
            if message is not None and message.error() is None:
                take(message)
        consumer.close()

    def _ask_owners(self) -> None:
        admin, group = AdminClient(client(self._bootstrap)), "aggregator"
        name = self._names.group(group)
        while not self._stop.wait(OWNERS_EVERY_S):
            try:
                asked = admin.describe_consumer_groups([name], request_timeout=3)
                members = asked[name].result().members
            except KafkaException:
                # Its coordinator is away, by our own doing; what was known will do.
                continue
            for member in members:
                for place in member.assignment.topic_partitions:
                    self._owners[place.partition] = member.group_instance_id or ""


def topics_exist(bootstrap: str, names: Names) -> bool:
    """Whether the services have made their topics."""
    try:
        found = AdminClient(client(bootstrap)).list_topics(timeout=3).topics
    except KafkaException:
        return False
    return all(names.topic(entity) in found for entity in ("tasks", "commands", "decisions"))
