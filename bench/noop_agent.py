"""An agent without a model, for measuring what the rest costs: it picks the first option at once.

In: COMITIA_* as every service, and the agents' names as arguments. Out: a process that serves them.
"""

import sys
from collections.abc import Sequence

from comitia.config import ServiceSettings
from comitia.effects import Effect, Publish, Recorded
from comitia.runtime.service import Service, run_service
from comitia.runtime.workers import Workers, WorkersSpec
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.format_pb2 import FORMAT_KIND_CHOICE
from comitia.v1.input_pb2 import INPUT_KIND_TEXT
from comitia.v1.panel_event_pb2 import PanelEvent

IN_FLIGHT_MAX = 2_000


async def answer(recorded: Recorded[Assignment]) -> Sequence[Effect]:
    assignment = recorded.message
    event = PanelEvent(task_id=assignment.task.id)
    event.answer.assignment_id = assignment.id
    event.answer.agent = assignment.agent
    event.answer.value.option_id = assignment.task.format.choice.options[0].id
    event.answer.deadline_ms = assignment.deadline_ms
    key = assignment.task.root_id or assignment.task.id
    return (Publish(assignment.reply_topic, key, event, assignment.reply_partition),)


async def compose(service: Service[ServiceSettings]) -> None:
    """Publish the cards, then work."""
    names = sys.argv[1:]
    await service.ensure_topics(("agents", "panel-events"), inboxes=names)
    writer = await service.runtime.log.writer()
    for name in names:
        card = AgentCard(name=name, version=1, skills=["noop"], no_heartbeat=True)
        card.inputs.append(INPUT_KIND_TEXT)
        card.formats.append(FORMAT_KIND_CHOICE)
        publish = Publish(service.names.topic("agents"), f"{name}@1@noop", card)
        await (await writer.send(service.runtime.codec.encode(publish)))
        workers = Workers(service.runtime, WorkersSpec(name, IN_FLIGHT_MAX, answer))
        service.start(workers.run(), f"inbox {name}")
    await writer.close()


def main() -> None:
    """Run until a signal; the exit code says how it ended."""
    sys.exit(run_service("noop-agent", ServiceSettings, compose))


if __name__ == "__main__":
    main()
