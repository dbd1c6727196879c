"""Entry point `comitia-agent`: wires cards, model, log and telemetry; nothing is decided here.

Serves every card of COMITIA_AGENT_CARDS in one process, over one model. Order at start: cards,
topics, model (its files are checked byte by byte), examples and prompts, then the cards are
published, and only then work begins.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from comitia.cards import card_key
from comitia.config import AgentSettings
from comitia.effects import Effect, Publish, Recorded
from comitia.inference.cards import find_card
from comitia.inference.limits import Limits
from comitia.inference.load import load_model
from comitia.inference.session import Threads
from comitia.ports import Model, TopicSpec
from comitia.runtime.context import Runtime
from comitia.runtime.places import Places
from comitia.runtime.retry import persist
from comitia.runtime.service import Service, run_service
from comitia.runtime.stopped_tasks import StoppedTasks
from comitia.runtime.tables import Tables
from comitia.runtime.workers import Workers, WorkersSpec
from comitia.telemetry.model_spans import invoke_agent
from comitia.telemetry.names import Attribute
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.control_pb2 import Control
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia_agent.card import AgentProfile, read_cards
from comitia_agent.engine import EngineMeasures
from comitia_agent.handler import Agent
from comitia_agent.registry import must_publish
from comitia_agent.traced import TracedModel

_LOG = logging.getLogger("comitia.agent")


async def compose(service: Service[AgentSettings]) -> None:
    """Wire and start. ConfigError: cards, model or topics cannot be used, or a card's version is
    taken.
    """
    settings, runtime = service.settings, service.runtime
    profiles = read_cards([Path(path) for path in settings.agent_cards.split(os.pathsep) if path])
    names = [profile.name for profile in profiles]
    urgent = [profile.name for profile in profiles if profile.priority_lane]
    found = await service.ensure_topics(
        ("agents", "control", "panel-events"), inboxes=names, high_inboxes=urgent
    )
    _check_retention(found[service.names.topic("control")], settings.timeout_ms_max)
    model = await _model(service, profiles)
    embedder = await _embedder(service, profiles, model)
    agents = [
        Agent(
            *(profile, model, runtime.clock, settings.answer_bytes_max),
            embedder if profile.embedder else None,
        )
        for profile in profiles
    ]
    for agent in agents:
        await agent.prepare()

    standing: set[str] = set()
    stopped = StoppedTasks(runtime.clock)
    tables = Tables(runtime)
    tables.add("agents", AgentCard, lambda key, card: _note(standing, key, card))
    # Older orders are of tasks that have ended anyway.
    tables.add("control", Control, stopped.apply, back_ms=settings.timeout_ms_max)
    service.start(tables.run(), "tables")
    await tables.ready()
    cards = [profile.message(model.digest) for profile in profiles]
    fresh = [card for card in cards if must_publish(standing, card)]
    if fresh:
        await persist(runtime, "broker", lambda: _publish(runtime, fresh))

    in_flight_max = settings.in_flight_max or model.capacity + _ahead(model.capacity)
    places = Places(in_flight_max)
    workers = [_workers(service, agent, stopped, places) for agent in agents]
    for profile, one in zip(profiles, workers, strict=True):
        stopped.listen(one.stop_task)
        service.start(one.run(), f"inbox {profile.name}")
    service.heartbeats(lambda leaving: _beats(runtime, profiles, workers, leaving))
    _LOG.info(
        *("serving %s with %s %s", ", ".join(names), model.name, model.digest),
        extra={
            "event": "serving",
            "agents": names,
            "model": model.name,
            "model_digest": model.digest,
        },
    )


def _check_retention(control: TopicSpec, timeout_ms_max: int) -> None:
    retention_ms = int(control.config.get("retention.ms", "-1"))
    if 0 <= retention_ms < timeout_ms_max:
        _LOG.warning(
            "%s keeps orders to stop for %d ms, tasks may last %d ms: after a restart work may be"
            " done that nobody waits for; raise its retention.ms",
            *(control.name, retention_ms, timeout_ms_max),
        )


async def _model(service: Service[AgentSettings], profiles: Sequence[AgentProfile]) -> TracedModel:
    settings = service.settings
    limits = Limits(
        rows=settings.engine_rows,
        # Room for the instructions and examples of every prompt, so that each is read only once;
        # where a note stands before the item, they end sooner and are kept beside.
        shelves=max(1, 2 * sum(profile.prompts for profile in profiles)),
        cache_bytes=settings.engine_cache_mib << 20,
    )
    return await _loaded(service, profiles[0].model, limits)


async def _embedder(
    service: Service[AgentSettings], profiles: Sequence[AgentProfile], model: TracedModel
) -> TracedModel | None:
    """What the cards name to embed answers: the agents' own model, or one beside it."""
    names = {profile.embedder for profile in profiles if profile.embedder}
    if not names:
        return None
    name = names.pop()
    if name == profiles[0].model:
        return model
    return await _loaded(service, name, Limits())


async def _loaded(service: Service[AgentSettings], name: str, limits: Limits) -> TracedModel:
    settings, runtime = service.settings, service.runtime
    card = find_card(settings.models_dir, name)
    threads = Threads(settings.threads, settings.engine_spin_us)
    loaded = await asyncio.to_thread(
        load_model, card, settings.cache_dir, threads, settings.device, limits
    )
    service.on_close(loaded.close)
    loaded.watch(EngineMeasures(runtime.telemetry, loaded.name))
    service.start(_while_it_answers(loaded, runtime.stop), "engine")
    return TracedModel(loaded, runtime.telemetry, runtime.clock)


async def _while_it_answers(model: Model, stop: asyncio.Event) -> None:
    """Until `stop`. Raises Retryable when the engine has ended by itself: the process ends then,
    so that whoever runs it starts it anew, and what it had begun is answered by the next one.
    """
    ended, stopping = asyncio.ensure_future(model.ended()), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            ended.result()
    finally:
        ended.cancel()
        stopping.cancel()


def _ahead(at_work: int) -> int:
    """Assignments that are held ready beside those at work, so that no place of a batch stays
    empty while the next one is fetched.
    """
    return max(1, at_work // 4)


def _note(standing: set[str], key: str, card: Recorded[AgentCard] | None) -> None:
    if card is None:
        standing.discard(key)
    else:
        standing.add(key)


async def _publish(runtime: Runtime, cards: Sequence[AgentCard]) -> None:
    writer = await runtime.log.writer()
    try:
        for card in cards:
            publish = Publish(runtime.names.topic("agents"), card_key(card), card)
            await (await writer.send(runtime.codec.encode(publish)))
    finally:
        await writer.close()


def _workers(
    service: Service[AgentSettings], agent: Agent, stopped: StoppedTasks, places: Places
) -> Workers:
    telemetry, profile = service.runtime.telemetry, agent.profile
    who = (profile.name, str(profile.version))

    async def answer(recorded: Recorded[Assignment]) -> Sequence[Effect]:
        assignment, parent = recorded.message, recorded.traceparent
        with invoke_agent(telemetry.tracer, who, profile.model, parent) as span:
            span.set(Attribute.COMITIA_TASK_ID, assignment.task.id)
            span.set(Attribute.COMITIA_ASSIGNMENT_ID, assignment.id)
            return await agent.handle(recorded)

    spec = WorkersSpec(
        *(profile.name, places.total, answer, stopped, profile.priority_lane, places),
        waiting_max=_ahead(places.total),
    )
    return Workers(service.runtime, spec)


def _beats(
    runtime: Runtime, profiles: Sequence[AgentProfile], workers: Sequence[Workers], leaving: bool
) -> Sequence[Heartbeat]:
    return [
        Heartbeat(
            agent=profile.name,
            version=profile.version,
            instance=runtime.instance,
            interval_ms=runtime.heartbeat_interval_ms,
            in_flight=one.in_flight,
            waiting=one.waiting,
            leaving=leaving,
            service=runtime.service,
        )
        for profile, one in zip(profiles, workers, strict=True)
    ]


def main() -> None:
    """Run until a signal; the exit code says how it ended."""
    sys.exit(run_service("agent", AgentSettings, compose))


if __name__ == "__main__":
    main()
