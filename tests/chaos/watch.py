"""What comes out, as it comes: decisions seen the moment they are written, and once they count.

One thread reads `decisions` uncommitted and tells which process wrote the next one, so that a fault
can meet it between a decision's write and its commit; another reads it committed and notes which
tasks are decided.
"""

import asyncio
import re
import threading
from collections import Counter, deque
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from comitia.topics import TOPICS, Names
from comitia.v1.decision_pb2 import DECISION_STATUS_ESCALATED, Decision, DecisionStatus
from tests.chaos.cluster import client

POLL_S = 0.2
# The header ce_id ends with the writer's instance (... pid, random hexadecimals) and a count.
WRITER = re.compile(rb"-(\d+)-[0-9a-f]+-\d+$")


class Watch:
    """Opened once the topics exist, inside the event loop; `close` ends the threads."""

    def __init__(self, bootstrap: str, names: Names) -> None:
        self.statuses: Counter[str] = Counter()
        # Tasks that have a committed decision.
        self.decided: set[str] = set()
        # Tasks left to a person, and where their decisions stand; taken out by who settles them.
        self.escalated: deque[tuple[str, int]] = deque()
        # Of these, those that have no revision yet.
        self.conflicts: set[str] = set()
        self._bootstrap, self._names = bootstrap, names
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._sight: asyncio.Future[int] | None = None
        self._threads = [
            threading.Thread(target=self._read, args=chosen, daemon=True)
            for chosen in (("read_uncommitted", self._seen), ("read_committed", self._counted))
        ]
        for thread in self._threads:
            thread.start()

    async def writer(self, timeout_s: float) -> int | None:
        """Process id of who writes the next decision, most likely not committed yet; None when
        there is none within the time.
        """
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

    def _seen(self, message: Message) -> None:
        if self._sight is not None:
            name = dict(message.headers() or ()).get("ce_id")
            found = WRITER.search(name) if isinstance(name, bytes) else None
            if found is not None:
                self._loop.call_soon_threadsafe(self._tell, int(found[1]))

    def _tell(self, pid: int) -> None:
        if self._sight is not None and not self._sight.done():
            self._sight.set_result(pid)

    def _counted(self, message: Message) -> None:
        decision = Decision.FromString(message.value() or b"")
        self.decided.add(decision.task_id)
        if decision.revision:
            self.conflicts.discard(decision.task_id)
        elif decision.status == DECISION_STATUS_ESCALATED:
            self.conflicts.add(decision.task_id)
            self.escalated.append((decision.task_id, message.offset() or 0))
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


def topics_exist(bootstrap: str, names: Names) -> bool:
    """Whether the services have made their topics."""
    try:
        found = AdminClient(client(bootstrap)).list_topics(timeout=3).topics
    except KafkaException:
        return False
    return all(names.topic(entity) in found for entity in ("tasks", "commands", "decisions"))
