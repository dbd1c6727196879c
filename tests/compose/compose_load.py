"""Tasks for the panel while a scenario goes on, and the proof that each ended in one decision.

In comes a cluster's address; out go tasks at a steady rate, through another client library than the
services', and the report of the independent checker on everything that is in the log afterwards.
"""

import itertools
import threading
from collections import Counter
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, Message, Producer

from comitia.topics import Names
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.task_pb2 import Task
from tests.chaos.checker import check
from tests.chaos.checker.evidence import Report
from tests.chaos.checker.reading import Source
from tests.compose.compose_stack import await_that

PER_SECOND = 3
# Longer than anything that a scenario does to a service.
TIMEOUT_MS = 600_000
FLUSH_S = 120
NAMES = Names()
SENTENCES = ("A delight from start to end.", "A waste of two hours.")


class Load:
    """A context: tasks are published while it lasts; afterwards `acknowledged` are their ids."""

    def __init__(self, bootstrap: str, label: str) -> None:
        self.acknowledged: list[str] = []
        self._label = label
        self._end = threading.Event()
        self._failed: list[KafkaError] = []
        self._thread = threading.Thread(target=self._publish, name=f"load-{label}")
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "message.timeout.ms": FLUSH_S * 1_000,
                "log_level": 0,
            }
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()
        left = self._producer.flush(FLUSH_S)
        assert left == 0 and not self._failed, f"{left} not published, {self._failed[:3]}"

    def _publish(self) -> None:
        for number in itertools.count():
            task = Task(id=f"{self._label}-{number:04d}", skill="sentiment")
            task.timeout_ms = TIMEOUT_MS
            task.input.text = SENTENCES[number % len(SENTENCES)]
            for option in ("positive", "negative"):
                task.format.choice.options.add(id=option)
            self._producer.produce(
                NAMES.topic("tasks"), task.SerializeToString(), task.id, on_delivery=self._heard
            )
            self._producer.poll(0)
            if self._end.wait(1 / PER_SECOND):
                return

    def _heard(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            key = message.key()
            assert isinstance(key, bytes)
            self.acknowledged.append(key.decode())
        else:
            self._failed.append(error)


class Outcome:
    """Decisions as they come, for all loads of a session. `close` it."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._decided: dict[str, list[str]] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "comitia-compose-scenarios",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        self._consumer.subscribe([NAMES.topic("decisions")])

    def close(self) -> None:
        self._consumer.close()

    def await_all(self, load: Load) -> Counter[str]:
        """Until each acknowledged task of `load` has its decision; how many have which status.

        The published ids and the decided ones are the same then, each once.
        """
        asked = set(load.acknowledged)

        def complete() -> bool:
            self._take()
            return asked <= self._decided.keys()

        await_that(complete, f"decisions of {len(asked)} tasks")
        assert len(load.acknowledged) == len(asked) > 0
        assert {one: len(self._decided[one]) for one in asked} == dict.fromkeys(asked, 1)
        return Counter(self._decided[one][0] for one in asked)

    def report(self, loads: list[Load]) -> Report:
        """What the checker says of all that was read and written."""
        evidence = Source(self._bootstrap).evidence("")
        evidence.silent_permille = 0
        evidence.manifest = [{"id": one} for load in loads for one in load.acknowledged]
        return check(evidence)

    def _take(self) -> None:
        while message := self._consumer.poll(0.2):
            value = message.value()
            if message.error() is None and isinstance(value, bytes):
                decision = Decision.FromString(value)
                status = DecisionStatus.Name(decision.status)
                self._decided.setdefault(decision.task_id, []).append(status)
