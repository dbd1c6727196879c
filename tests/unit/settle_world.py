"""A log with conflicts in it, for tests of the command line: verdicts that come into `commands` are
folded by the aggregator's own rules, and what these publish stands in the log.
"""

import asyncio

from comitia.effects import DeadLetter, Publish
from comitia.ports import ReaderSpec
from comitia.v1.command_pb2 import Command
from comitia.v1.dead_letter_pb2 import DeadLetter as Letter
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.verdict_pb2 import Verdict
from tests.unit.cli_support import NAMES, Panel
from tests.unit.conflict_world import Conflict, escalated

# 2100-01-01: no test lives to see it.
FAR_MS = 4_102_444_800_000


class Court(Panel):
    """`deaf`: nobody reads what is said. `first`: a verdict of somebody else that is folded before
    each that comes.
    """

    def __init__(self, *, deaf: bool = False, first: Verdict | None = None) -> None:
        super().__init__(lambda task: None)
        self.deaf = deaf
        self.first = first
        self._waiting: dict[str, Conflict] = {}

    def escalate(self, task_id: str = "t1", expires_ms: int = FAR_MS) -> Decision:
        """A panel's a leads b and c, and it is left to a person."""
        made, opened = escalated()
        for decision in (made, opened.conflict_opened.decision):
            decision.task_id = task_id
            decision.escalation.expires_ms = expires_ms
        opened.task_id = task_id
        self.tell(made)
        offset = max(one.offset for one in self.records("decisions") if one.key == task_id.encode())
        # Conflicts are opened by the hour before they expire.
        self._waiting[task_id] = Conflict(opened, offset, opened_ms=self.clock.now_ms())
        return made

    def tell(self, decision: Decision) -> None:
        asyncio.run(self.put("decisions", decision.task_id, decision))

    def verdicts(self) -> list[Verdict]:
        found = [Command.FromString(one.value or b"") for one in self.records("commands")]
        return [command.verdict for command in found]

    async def _answer(self) -> None:
        reader = await self.reader(ReaderSpec(topics=(NAMES.topic("commands"),)))
        while not self.deaf:
            for record in await reader.fetch(100, 100):
                said = Command.FromString(record.value or b"").verdict
                if self.first is not None:
                    await self._fold(self.first)
                await self._fold(said)

    async def _fold(self, said: Verdict) -> None:
        event = PanelEvent(task_id=said.task_id, verdict=said)
        for effect in self._waiting[said.task_id].say(event):
            if isinstance(effect, Publish) and isinstance(effect.message, Decision):
                await self.put("decisions", effect.key, effect.message)
            elif isinstance(effect, DeadLetter):
                letter = Letter(reason=effect.reason, error=effect.error, task_id=said.task_id)
                letter.value = event.SerializeToString()
                await self.put("dead-letters", said.task_id, letter)
