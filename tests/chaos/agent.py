"""An agent for chaos: the real workers loop around a seeded judgement instead of a model.

In: COMITIA_* as every service, and the agents' names as arguments. Out: answers that depend on task
and agent alone, so that whoever repeats the work says the same; mostly soon, sometimes seconds
later, one in fifty never.
"""

import asyncio
import sys
import zlib
from collections.abc import Sequence

from comitia.config import ServiceSettings
from comitia.effects import Effect, Publish, Recorded
from comitia.runtime.retry import persist
from comitia.runtime.service import Service, run_service
from comitia.runtime.stopped_tasks import StoppedTasks
from comitia.runtime.tables import Tables
from comitia.runtime.workers import Workers, WorkersSpec
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.control_pb2 import Control
from comitia.v1.format_pb2 import FORMAT_KIND_CHOICE
from comitia.v1.input_pb2 import INPUT_KIND_TEXT
from comitia.v1.panel_event_pb2 import PanelEvent

SKILL = "chaos"
IN_FLIGHT_MAX = 2_000
# Of a thousand assignments: how many are never answered, how many late. The others take up to
# SOON_MS.
SILENT, SLOW = 20, 30
SOON_MS, SLOW_MS = 150, 4_000
CONTROL_BACK_MS = 600_000


async def answer(recorded: Recorded[Assignment]) -> Sequence[Effect]:
    """Wait as this assignment wants it, then vote, or be silent."""
    assignment = recorded.message
    draw = zlib.crc32(f"{assignment.task.id}/{assignment.seat}/{assignment.round}".encode())
    fate, delay, vote = draw % 1_000, (draw >> 10) % 1_000 / 1_000, (draw >> 20) % 100
    if fate < SILENT:
        # Held until nobody waits for it: an assignment let go sooner would be one that was lost.
        await asyncio.sleep((assignment.deadline_ms - recorded.append_ms) / 1_000)
        return ()
    await asyncio.sleep(delay * (SLOW_MS if fate < SILENT + SLOW else SOON_MS) / 1_000)
    options = assignment.task.format.choice.options
    event = PanelEvent(task_id=assignment.task.id)
    event.answer.assignment_id = assignment.id
    event.answer.agent = assignment.agent
    event.answer.value.option_id = options[0 if vote < 70 else 1].id
    event.answer.deadline_ms = assignment.deadline_ms
    if draw % 3:
        event.answer.rationale = "drawn by lot"
    key = assignment.task.root_id or assignment.task.id
    return (Publish(assignment.reply_topic, key, event, assignment.reply_partition),)


async def compose(service: Service[ServiceSettings]) -> None:
    """Publish the cards, then work."""
    runtime, names = service.runtime, sys.argv[1:]
    await service.ensure_topics(("agents", "control", "panel-events"), inboxes=names)
    stopped = StoppedTasks(runtime.clock)
    tables = Tables(runtime)
    tables.add("control", Control, stopped.apply, back_ms=CONTROL_BACK_MS)
    service.start(tables.run(), "tables")
    await tables.ready()
    await persist(runtime, "broker", lambda: publish_cards(service, names))
    for name in names:
        workers = Workers(runtime, WorkersSpec(name, IN_FLIGHT_MAX, answer, stopped))
        stopped.listen(workers.stop_task)
        service.start(workers.run(), f"inbox {name}")


async def publish_cards(service: Service[ServiceSettings], names: Sequence[str]) -> None:
    """One card an agent; the same bytes whoever publishes them, so often does not matter."""
    writer = await service.runtime.log.writer()
    try:
        for name in names:
            card = AgentCard(name=name, version=1, skills=[SKILL], no_heartbeat=True)
            card.inputs.append(INPUT_KIND_TEXT)
            card.formats.append(FORMAT_KIND_CHOICE)
            key = f"{name}@1@{SKILL}"
            publish = Publish(service.names.topic("agents"), key, card)
            await (await writer.send(service.runtime.codec.encode(publish)))
    finally:
        await writer.close()


if __name__ == "__main__":
    sys.exit(run_service("agent", ServiceSettings, compose))
