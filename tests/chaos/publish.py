"""The user: publishes tasks at a steady rate, some as users should not, and keeps a manifest.

In come a seed and a rate; out go tasks and cancels to Apache Kafka, through another client library
than the services', and one JSON line per acknowledged task: {"id", "kind", "sha256"} (of the value
that was published first), for cancelled ones also "when". Kinds: plain, duplicate (the same bytes
again), other_content (the same id, other bytes), poison (not protobuf; the key names the task),
unreadable (not protobuf, no key, so no id), oversize (an input beyond the limit), cancelled (before
or after it was published), ladder (rounds and a judge follow a narrow vote), person (left to a
person, and often settled), staged (three panels one after another, the second again where a check
fails).
"""

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer

from comitia.topics import Names
from comitia.v1.command_pb2 import Command
from comitia.v1.task_pb2 import PRIORITY_HIGH, Task
from tests.chaos.agent import SKILL
from tests.chaos.cluster import client
from tests.chaos.policies import POLICIES

WEIGHTS = {
    "plain": 760,
    "ladder": 60,
    "person": 20,
    "staged": 20,
    "duplicate": 60,
    "cancelled": 60,
    "other_content": 10,
    "poison": 4,
    "unreadable": 2,
    "oversize": 4,
}
TIMEOUTS_MS = (1_500, 6_000, 12_000, 12_000, 20_000)
OVERSIZE_BYTES = 300 * 1024
TICK_S = 0.02
FLUSH_S = 120
# When a task is published and when it is cancelled, in seconds from now.
BEFORE_S, AFTER_S, LONG_AFTER_S = (0.05, 0.0), (0.0, 0.02), (0.0, 0.2)


class Publisher:
    """`run` publishes; `acknowledged` are the ids that must end as decisions."""

    def __init__(self, bootstrap: str, names: Names, seed: int, manifest: Path) -> None:
        self.acknowledged: set[str] = set()
        self.kinds: Counter[str] = Counter()
        self._names = names
        self._random = random.Random(f"publish {seed}")
        self._label = f"c{seed}"
        self._count = 0
        self._manifest = manifest.open("w")
        self._later: set[asyncio.Task[None]] = set()
        self._producer = Producer(
            client(bootstrap)
            | {
                "enable.idempotence": True,
                "linger.ms": 2,
                "message.timeout.ms": FLUSH_S * 1_000,
            }
        )

    async def run(self, tasks: int, seconds: float) -> None:
        """Publish `tasks` tasks evenly over `seconds`, and wait for their acknowledgements."""
        clock = asyncio.get_running_loop().time
        began = clock()
        for number in range(tasks):
            while number > (clock() - began) * tasks / seconds:  # noqa: ASYNC110
                await asyncio.sleep(TICK_S)
            [kind] = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))
            self.one(kind)
        await asyncio.gather(*self._later)
        await asyncio.to_thread(self._producer.flush, FLUSH_S)

    def one(self, kind: str) -> str:
        """Publish one task of a kind; its id."""
        self._producer.poll(0)
        task, draw = self._task(), self._random
        if kind in POLICIES:
            POLICIES[kind](task.policy)
        line: dict[str, str] = {"id": task.id, "kind": kind}
        value = task.SerializeToString()
        if kind in ("poison", "unreadable"):
            value = b"\xff" + draw.randbytes(draw.randrange(1, 200))
            line["id"] = task.id if kind == "poison" else ""
        elif kind == "oversize":
            task.input.text = "x" * OVERSIZE_BYTES
            value = task.SerializeToString()
        line["sha256"] = hashlib.sha256(value).hexdigest()
        first_s = 0.0
        if kind == "cancelled":
            first_s, cancel_s = draw.choice((BEFORE_S, AFTER_S, LONG_AFTER_S))
            line["when"] = "before" if cancel_s < first_s else "after"
            self._after(cancel_s, lambda: self._cancel(task.id))
        self._after(first_s, lambda: self._first(line, value))
        if kind == "duplicate":
            for _ in range(draw.choice((1, 1, 2))):
                self._after(draw.choice((0.0, 0.02, 1.0)), lambda: self._again(task.id, value))
        elif kind == "other_content":
            task.input.text = "Something else altogether."
            other = task.SerializeToString()
            self._after(draw.choice((0.2, 2.0)), lambda: self._again(task.id, other))
        return task.id

    def settle(self, task_id: str, offset: int) -> None:
        """A person's word on a conflict: none, once, twice the same, or two at odds."""
        draw = random.Random(f"settle {task_id}")
        command = Command()
        verdict = command.verdict
        verdict.task_id, verdict.decision_offset = task_id, offset
        verdict.by, verdict.because = "chaos", "looked at it"
        verdict.value.option_id = "that"
        for _ in range(draw.choice((0, 1, 1, 2))):
            self._command(command, task_id)
        if draw.random() < 0.2:
            verdict.value.option_id = "this"
            self._command(command, task_id)

    def close(self) -> None:
        """End with the manifest complete."""
        self._manifest.close()

    def _after(self, seconds: float, send: Callable[[], None]) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            send()

        task = asyncio.get_running_loop().create_task(later())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def _first(self, line: dict[str, str], value: bytes) -> None:
        def acknowledged(error: KafkaError | None, _: Message) -> None:
            if error is None:
                self.kinds[line["kind"]] += 1
                self._manifest.write(json.dumps(line) + "\n")
                if line["id"]:
                    self.acknowledged.add(line["id"])

        topic = self._names.topic("tasks")
        self._producer.produce(topic, value, line["id"] or None, on_delivery=acknowledged)

    def _again(self, task_id: str, value: bytes) -> None:
        self._producer.produce(self._names.topic("tasks"), value, task_id)

    def _cancel(self, task_id: str) -> None:
        command = Command()
        command.cancel.task_id = task_id
        command.cancel.by = "chaos"
        self._command(command, task_id)

    def _command(self, command: Command, task_id: str) -> None:
        topic = self._names.topic("commands")
        self._producer.produce(topic, command.SerializeToString(), task_id)

    def _task(self) -> Task:
        draw = self._random
        self._count += 1
        task = Task(id=f"{self._label}-{self._count:06d}", skill=SKILL)
        task.seed = draw.randrange(1 << 32)
        task.timeout_ms = draw.choice(TIMEOUTS_MS)
        task.input.text = "Which one is it?"
        for option in ("this", "that"):
            task.format.choice.options.add(id=option)
        task.policy.seats_max = 3
        task.policy.wait_for_all = draw.random() < 0.3
        task.policy.samples = 2 if draw.random() < 0.1 else 1
        if draw.random() < 0.1:
            task.priority = PRIORITY_HIGH
        return task
