"""A panel in memory for the command line's tests: a LocalLog on which every task is decided as a
function says, and a way to call `comitia` on it.
"""

import asyncio
from collections.abc import Callable

from google.protobuf.message import Message
from typer.testing import CliRunner, Result

from comitia.config import KafkaSettings
from comitia.ports import Outgoing, ReaderSpec, Record
from comitia.runtime.partitioner import partition_of
from comitia.testing.local_log import LocalLog
from comitia.topics import TOPICS, Names
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.task_pb2 import Task
from comitia_cli.main import app
from comitia_cli.shell import Shell

NAMES = Names()
Decide = Callable[[Task], Decision | None]


def first_option(task: Task) -> Decision:
    """Decides for the first option, else for the text "yes"; one agent dissents."""
    decision = Decision(task_id=task.id, status=DecisionStatus.DECISION_STATUS_DECIDED, margin=0.5)
    if task.format.choice.options:
        decision.value.option_id = task.format.choice.options[0].id
    else:
        decision.value.text = "yes"
    for seat, agent in enumerate(("ada", "bo", "cy")):
        ballot = decision.ballots.add(seat=seat, agent=agent, weight=1.0)
        ballot.value.CopyFrom(decision.value)
    decision.ballots[2].value.option_id = "something else"
    return decision


class Panel(LocalLog):
    """A log that outlives the commands that open it. While one has it open, tasks are decided."""

    def __init__(self, decide: Decide = first_option) -> None:
        super().__init__()
        self._decide = decide
        self._decided: set[str] = set()
        self._work: asyncio.Task[None] | None = None
        asyncio.run(self.create(NAMES.specs()))

    async def open(self, _: KafkaSettings) -> LocalLog:
        self._work = asyncio.create_task(self._answer())
        return self

    async def close(self) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        await super().close()

    async def _answer(self) -> None:
        reader = await self.reader(ReaderSpec(topics=(NAMES.topic("tasks"),)))
        while True:
            for record in await reader.fetch(100, 100):
                task = Task.FromString(record.value or b"")
                decision = self._decide(task)
                if decision is not None and task.id not in self._decided:
                    self._decided.add(task.id)
                    await self.put("decisions", task.id, decision)

    async def put(self, entity: str, key: str, message: Message) -> None:
        """Append a message, in the partition that its key names."""
        topic = NAMES.topic(entity)
        partition = partition_of(key, TOPICS[entity].partitions)
        writer = await self.writer()
        value = message.SerializeToString()
        await (await writer.send(Outgoing(topic, value, key.encode(), (), partition)))
        await writer.close()

    def records(self, entity: str) -> list[Record]:
        """All records of a topic, in no particular order of partitions."""

        async def read() -> list[Record]:
            reader = await self.reader(ReaderSpec(topics=(NAMES.topic(entity),)))
            found = list(await reader.fetch(100_000, 0))
            while more := await reader.fetch(100_000, 0):
                found += more
            await reader.close()
            return found

        return asyncio.run(read())

    def tasks(self) -> list[Task]:
        return [Task.FromString(record.value or b"") for record in self.records("tasks")]

    def call(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run `comitia` on this log, in a pipe."""
        shell = Shell(open_log=self.open)
        env = {"COMITIA_BOOTSTRAP": "local:1"}
        return CliRunner().invoke(app, list(arguments), obj=shell, input=stdin, env=env)
