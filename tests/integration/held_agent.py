"""Agents that hold on to work until they are let go, and write down what they do.

In: COMITIA_* as every service; a folder and the agents' names as arguments. Work on a task whose
text names the agent ("hold anna") waits for a file of the assignment's id in the folder. Out:
answers, and lines "begun ID", "cancelled ID" in the file that COMITIA_TEST_DIARY names. An agent
whose name ends with "fast" has a priority lane; its lines say the lane.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from comitia.config import ServiceSettings
from comitia.effects import Effect, Publish, Recorded
from comitia.runtime.service import Service, run_service
from comitia.runtime.stopped_tasks import StoppedTasks
from comitia.runtime.tables import Tables
from comitia.runtime.workers import Workers, WorkersSpec
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.control_pb2 import Control
from comitia.v1.panel_event_pb2 import PanelEvent

IN_FLIGHT_MAX = 64
LOOK_EVERY_S = 0.02


def note(word: str, recorded: Recorded[Assignment]) -> None:
    lane = " high" if ".high." in recorded.topic else ""
    with Path(os.environ["COMITIA_TEST_DIARY"]).open("a") as diary:
        diary.write(f"{word} {recorded.message.id}{lane}\n")


async def answer(recorded: Recorded[Assignment]) -> Sequence[Effect]:
    assignment = recorded.message
    note("begun", recorded)
    words = assignment.task.input.text.split()
    try:
        while words[:1] == ["hold"] and assignment.agent in words:
            if (Path(sys.argv[1]) / assignment.id).exists():
                break
            await asyncio.sleep(LOOK_EVERY_S)
    except asyncio.CancelledError:
        note("cancelled", recorded)
        raise
    event = PanelEvent(task_id=assignment.task.id)
    event.answer.assignment_id = assignment.id
    event.answer.agent = assignment.agent
    event.answer.value.option_id = "good"
    event.answer.deadline_ms = assignment.deadline_ms
    return (Publish(assignment.reply_topic, assignment.task.id, event, assignment.reply_partition),)


async def compose(service: Service[ServiceSettings]) -> None:
    """Cards first, then work."""
    names, runtime = sys.argv[2:], service.runtime
    fast = [name for name in names if name.endswith("fast")]
    await service.ensure_topics(
        ("agents", "control", "panel-events"), inboxes=names, high_inboxes=fast
    )
    stopped = StoppedTasks(runtime.clock)
    tables = Tables(runtime)
    tables.add("control", Control, stopped.apply, back_ms=3_600_000)
    service.start(tables.run(), "tables")
    await tables.ready()
    writer = await runtime.log.writer()
    for name in names:
        card = AgentCard(name=name, version=1, skills=["hold"], no_heartbeat=True)
        card.priority_lane = name in fast
        publish = Publish(service.names.topic("agents"), f"{name}@1@held", card)
        await (await writer.send(runtime.codec.encode(publish)))
        spec = WorkersSpec(name, IN_FLIGHT_MAX, answer, stopped, name in fast)
        workers = Workers(runtime, spec)
        stopped.listen(workers.stop_task)
        service.start(workers.run(), f"inbox {name}")
    await writer.close()


if __name__ == "__main__":
    sys.exit(run_service("held-agent", ServiceSettings, compose))
