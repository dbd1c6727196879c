"""A learner of a live panel, and who tells it what was right: feedback that is folded, and feedback
that retention removes while nobody learns.

In: the processes of a panel, its log, a Prometheus that scrapes the learner. Out: nothing but what
it measured.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition as KafkaPartition

from comitia.ports import Log, Outgoing, ReaderSpec, Record, TopicPartition
from comitia.v1.decision_pb2 import Decision
from comitia.v1.feedback_pb2 import Feedback
from tests.integration.panel_support import Processes
from tests.observability.prometheus_server import Prometheus

FETCH_MS = 200
PATIENCE_S = 60
# More than one: a single offset that is missing may have been a transaction's marker.
LOST = 3


class Judge:
    """`port`: where the learner's metrics are."""

    def __init__(self, processes: Processes, prometheus: Prometheus, port: int) -> None:
        self._processes = processes
        self._prometheus = prometheus
        self._port = port
        self._ids = 0

    def start(self) -> None:
        command = [str(Path(sys.executable).parent / "comitia-learner")]
        port = str(self._port)
        self._processes.start(
            "learner", command, COMITIA_INSTANCE_ID="learner", COMITIA_HTTP_PORT=port
        )

    async def judge(self, log: Log, task_id: str, correct: str) -> None:
        """Say what was right, and wait for weights that rest on it."""
        await self._say(log, await _decision(log, self._topic("decisions"), task_id), correct)
        await self._prometheus.meet("comitia_weights_feedback > 0")

    async def lose(self, log: Log, task_id: str, correct: str) -> None:
        """While the learner is away, feedback comes and is removed."""
        decision = await _decision(log, self._topic("decisions"), task_id)
        self._processes.end("learner")
        for _ in range(LOST):
            await self._say(log, decision, correct)
        await remove(log, self._processes.bootstrap, self._topic("feedback"))
        self.start()
        await self._prometheus.meet(
            f'comitia_records_lost_total{{messaging_destination_name="{self._topic("feedback")}"}}'
        )

    async def _say(self, log: Log, decision: Record, correct: str) -> None:
        self._ids += 1
        task_id = Decision.FromString(decision.value or b"").task_id
        feedback = Feedback(
            id=f"judge-{self._ids}", task_id=task_id, by="judge",
            decision_partition=decision.partition, decision_offset=decision.offset,
        )  # fmt: skip
        feedback.correct.option_id = correct
        writer = await log.writer()
        said = Outgoing(self._topic("feedback"), feedback.SerializeToString(), task_id.encode())
        await (await writer.send(said))
        await writer.close()

    def _topic(self, entity: str) -> str:
        return self._processes.names.topic(entity)


async def _decision(log: Log, topic: str, task_id: str) -> Record:
    reader = await log.reader(ReaderSpec(topics=(topic,)))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for record in await reader.fetch(1_000, FETCH_MS):
                    if Decision.FromString(record.value or b"").task_id == task_id:
                        return record
    finally:
        await reader.close()


async def remove(log: Log, bootstrap: str, topic: str) -> None:
    """All records that a topic holds, as retention does."""
    reader = await log.reader(ReaderSpec(topics=(topic,)))
    ends: Mapping[TopicPartition, int] = await reader.end_offsets(reader.assignment())
    await reader.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.delete_records(
        {KafkaPartition(tp.topic, tp.partition): RecordsToDelete(before_offset=end)
         for tp, end in ends.items() if end}
    )  # fmt: skip
    await admin.close()
