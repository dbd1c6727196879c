"""Entry point `comitia-router`: wires the table of agents, the log and the handler; nothing is
decided here.

Order at start: topics, then the cards and heartbeats of the agents and the weights to their end,
then the inboxes, and only then tasks.
"""

import os
import sys
from dataclasses import fields
from pathlib import Path

from comitia.cards import MISSED_MAX
from comitia.config import RouterSettings
from comitia.policy.files import read_policies
from comitia.runtime.context import Runtime
from comitia.runtime.dead_letters import task_refused
from comitia.runtime.partitioner import partition_of
from comitia.runtime.retry import Stopped, persist, stopped_within
from comitia.runtime.service import Service, run_service
from comitia.runtime.stage_letters import stage_refused
from comitia.runtime.stream import Source, StreamSpec, run_stream
from comitia.runtime.tables import Tables
from comitia.telemetry.metrics import AGENTS_ALIVE
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.command_pb2 import Command
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia.v1.policy_pb2 import Policy
from comitia.v1.task_pb2 import Task
from comitia.v1.weights_pb2 import Weights
from comitia_router.agents import INTERVAL_MS_MAX
from comitia_router.handler import Router
from comitia_router.inboxes import Inboxes
from comitia_router.limits import Limits
from comitia_router.policies import policy_problems

ENTITIES = (
    *("tasks", "commands", "stages", "panel-events", "decisions", "agents", "weights"),
    "dead-letters",
)
INBOXES_EVERY_MS = 200


async def compose(service: Service[RouterSettings]) -> None:
    """Wire and start. ConfigError when the topics cannot be used."""
    settings, runtime, names = service.settings, service.runtime, service.names
    topics = await service.ensure_topics(ENTITIES)
    partitions = topics[names.topic("panel-events")].partitions
    limits = Limits(**{each.name: getattr(settings, each.name) for each in fields(Limits)})
    router = Router(names, limits, lambda key: partition_of(key, partitions), os.urandom(6).hex())
    router.policies = policies_of(settings, limits)
    service.heartbeats()
    alive = router.agents.alive_count
    runtime.telemetry.observe(AGENTS_ALIVE, lambda: [(alive(runtime.clock.now_ms()), {})])

    tables = Tables(runtime)
    tables.add("agents", AgentCard, router.agents.on_card)
    back_ms = MISSED_MAX * INTERVAL_MS_MAX
    tables.add("heartbeats", Heartbeat, router.agents.on_heartbeat, back_ms)
    tables.add("weights", Weights, router.weights.on_weights)
    service.start(tables.run(), "tables")
    await tables.ready()
    inboxes = Inboxes(
        runtime.log, names, router.agents, settings.create_topics, settings.replication
    )
    await persist(runtime, "broker", inboxes.refresh)
    service.start(_keep(runtime, inboxes), "inboxes")

    refused, stage_lost = task_refused(names, partitions), stage_refused(names, partitions)
    sources = (
        Source(names.topic("tasks"), Task, router.on_task, refused, stage="route"),
        Source(names.topic("stages"), Task, router.on_stage, stage_lost, stage="route"),
        Source(names.topic("commands"), Command, router.on_command),
        Source(names.topic("agents"), AgentCard, router.on_card, removed=router.agents.remove),
    )
    service.start(run_stream(runtime, StreamSpec(names.group("router"), sources)), "stream")


def policies_of(settings: RouterSettings, limits: Limits) -> dict[str, Policy]:
    """Of the folder that is set. ConfigError tells of all that is wrong there."""
    if not settings.policies:
        return {}
    return read_policies(
        Path(settings.policies), lambda policy, given: policy_problems(policy, given, limits)
    )


async def _keep(runtime: Runtime, inboxes: Inboxes) -> None:
    try:
        while not await stopped_within(runtime.stop, INBOXES_EVERY_MS):
            await persist(runtime, "broker", inboxes.refresh)
    except Stopped:
        return


def main() -> None:
    """Run until a signal; the exit code says how it ended."""
    sys.exit(run_service("router", RouterSettings, compose))


if __name__ == "__main__":
    main()
