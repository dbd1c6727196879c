"""Somebody who looks after conflicts in a simulation: reads what ended ESCALATED and says what is
right, now and then twice, too early for the log, or of a revision that does not exist.

In come the decisions as they appear; out come Verdicts in `commands`, and a note of each.
"""

import asyncio
from dataclasses import dataclass, field
from random import Random

from comitia.ports import Outgoing
from comitia.testing import LocalLog
from comitia.v1.command_pb2 import Command
from comitia.v1.decision_pb2 import DECISION_STATUS_ESCALATED
from comitia.v1.verdict_pb2 import Verdict
from tests.sim.processes import NAMES
from tests.sim.seen import DECISIONS, decision_of

LOOK_EVERY_MS = 150


@dataclass
class Person:
    """`settles`: share of the conflicts that are settled at all, [0, 1]."""

    seed: int
    settles: float
    log: LocalLog
    said: list[Verdict] = field(default_factory=list)
    _met: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_MS / 1000)
            for partition in self.log.topic(DECISIONS).partitions:
                for record in partition.read(0, 10**9, True)[0]:
                    decision = decision_of(record)
                    escalated = decision.status == DECISION_STATUS_ESCALATED
                    if escalated and decision.task_id not in self._met:
                        self._met.add(decision.task_id)
                        await self._settle(decision.task_id, record.offset)

    async def _settle(self, task_id: str, offset: int) -> None:
        chance = Random(f"person {self.seed} {task_id}")
        if chance.random() >= self.settles:
            return
        await asyncio.sleep(chance.choice([0, 300, 1_500]) / 1000)
        verdict = Verdict(task_id=task_id, decision_offset=offset, by="ann", because="I looked")
        verdict.value.option_id = chance.choice("abc")
        said = [verdict]
        for other in ("again", "otherwise", "of no revision"):
            if chance.random() < 0.25:
                one = Verdict()
                one.CopyFrom(verdict)
                if other == "otherwise":
                    one.value.option_id, one.by = "a", "bob"
                elif other == "of no revision":
                    one.revision = 7
                said.append(one)
        chance.shuffle(said)
        for one in said:
            await self._say(one)

    async def _say(self, verdict: Verdict) -> None:
        self.said.append(verdict)
        value = Command(verdict=verdict).SerializeToString()
        writer = await self.log.writer()
        await (
            await writer.send(Outgoing(NAMES.topic("commands"), value, verdict.task_id.encode()))
        )
