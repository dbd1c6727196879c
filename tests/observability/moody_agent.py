"""An agent that fails at first and answers when it is asked again, as one does whose model is
reached over a network.

In: COMITIA_* as every service. Out: a process that serves the agent "moody".
"""

import sys
from collections.abc import Sequence

from bench.noop_agent import answer
from comitia.config import ServiceSettings
from comitia.effects import Effect, Publish, Recorded
from comitia.errors import Retryable
from comitia.runtime.service import Service, run_service
from comitia.runtime.workers import Workers, WorkersSpec
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment

NAME = SKILL = "moody"


async def compose(service: Service[ServiceSettings]) -> None:
    """Publish the card, then work."""
    asked: set[str] = set()

    async def at_the_second_time(recorded: Recorded[Assignment]) -> Sequence[Effect]:
        if recorded.message.id not in asked:
            asked.add(recorded.message.id)
            raise Retryable("not in the mood")
        return await answer(recorded)

    await service.ensure_topics(("agents", "panel-events"), inboxes=[NAME])
    writer = await service.runtime.log.writer()
    card = AgentCard(name=NAME, version=1, skills=[SKILL], no_heartbeat=True)
    publish = Publish(service.names.topic("agents"), f"{NAME}@1@moody", card)
    await (await writer.send(service.runtime.codec.encode(publish)))
    await writer.close()
    workers = Workers(service.runtime, WorkersSpec(NAME, 1, at_the_second_time))
    service.start(workers.run(), f"inbox {NAME}")


if __name__ == "__main__":
    sys.exit(run_service("moody-agent", ServiceSettings, compose))
