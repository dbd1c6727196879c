"""A whole system: broker, models, topics, services, in this order, then kept running until told to
stop.

In: where the cards are and which cluster. Out: a `SystemState` that is written to the board and
handed to whoever watches, several times a second while something changes.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from comitia.config import KafkaSettings, load
from comitia.errors import ConfigError, Retryable
from comitia.topics import Names
from comitia_cli.places import Places
from comitia_cli.shell import OpenLog
from comitia_cli.system.board import Board, SystemState
from comitia_cli.system.broker import BrokerKeeper
from comitia_cli.system.building import build
from comitia_cli.system.plan import Plan, make_plan
from comitia_cli.system.settings import check
from comitia_cli.system.supervisor import Supervisor
from comitia_cli.system.waiting import first_of, unless

REPORT_S = 0.25


@dataclass(frozen=True)
class Wanted:
    """`bootstrap` None: the embedded broker. `agents`, `models`: folders of cards."""

    bootstrap: str | None
    agents: Path
    models: Path


class System:
    """One system. `run` from start to stop; `started` is set when every service is ready."""

    def __init__(
        self,
        wanted: Wanted,
        places: Places,
        open_log: OpenLog,
        report: Callable[[SystemState], None],
    ) -> None:
        self.state = SystemState(os.getpid(), embedded=wanted.bootstrap is None)
        self.started = asyncio.Event()
        self._wanted = wanted
        self._places = places
        self._open_log = open_log
        self._report = report
        self._board = Board(places.state)
        self._doing: dict[str, str] = {}
        self._keeper: BrokerKeeper | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything, keep it running until `stop`, end everything.

        ConfigError: it is up already, or something is wrong at the start; then nothing stays.
        """
        began = asyncio.get_running_loop().time()
        self._board.claim()
        self._board.write(self.state)
        telling = asyncio.create_task(self._tell())
        try:
            supervisor = await unless(stop, self._prepare())
            if supervisor is not None:
                await self._keep(supervisor, stop, began)
        finally:
            self.state.phase = "stopping"
            if self._keeper is not None:
                await self._keeper.stop()
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            self._report(self.state)
            self._board.release()

    async def _prepare(self) -> Supervisor:
        settings = await self._cluster_and_models()
        plan = self._plan(settings)
        self._busy("topics", "creating topics")
        await self._create_topics(settings, plan)
        self._done("topics")
        supervisor = Supervisor(plan.services, self._places.logs)
        self.state.services = supervisor.states
        return supervisor

    async def _cluster_and_models(self) -> KafkaSettings:
        """Broker and models at the same time: both wait for downloads at the first start."""
        bootstrap = self._wanted.bootstrap
        check(embedded=bootstrap is None)
        if bootstrap is None:
            self._keeper = BrokerKeeper(lambda what: self._busy("broker", what))
            self.state.broker = self._keeper.state
            bootstrap = self._keeper.bootstrap
        settings = load(KafkaSettings, {"bootstrap": bootstrap})
        self.state.bootstrap, self.state.prefix = settings.bootstrap, settings.prefix
        plan = self._plan(settings)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    build(
                        plan.models,
                        self._wanted.models,
                        self._places.cache,
                        lambda what: self._busy("models", what),
                    )
                )
                if self._keeper is not None:
                    self._busy("broker", "starting Apache Kafka")
                    group.create_task(self._keeper.start())
        except ExceptionGroup as errors:
            # One of them failed and the other was cancelled: the first says what to change.
            raise errors.exceptions[0] from errors
        self._done("broker")
        self._done("models")
        return settings

    def _plan(self, settings: KafkaSettings) -> Plan:
        env = {
            "COMITIA_BOOTSTRAP": settings.bootstrap,
            "COMITIA_PREFIX": settings.prefix,
            "COMITIA_STATE_DIR": str(self._places.state),
            "COMITIA_CACHE_DIR": str(self._places.cache),
        }
        return make_plan(self._wanted.agents, self._wanted.models, env)

    async def _create_topics(self, settings: KafkaSettings, plan: Plan) -> None:
        names = Names(settings.prefix)
        inboxes = [
            spec
            for agent in plan.agents
            for spec in names.inbox_specs(
                agent.name, settings.replication, priority_lane=agent.priority_lane
            )
        ]
        if not settings.create_topics:
            return
        try:
            log = await self._open_log(settings)
        except Retryable as error:
            raise Retryable(
                f"no Apache Kafka answers at {settings.bootstrap}: start it, or correct --bootstrap"
                f" ({error})"
            ) from error
        try:
            await log.create([*names.specs(settings.replication), *inboxes])
        finally:
            await log.close()

    async def _keep(self, supervisor: Supervisor, stop: asyncio.Event, began: float) -> None:
        async with asyncio.TaskGroup() as group:
            services = group.create_task(supervisor.run(stop))
            if self._keeper is not None:
                group.create_task(self._keeper.keep(stop))
            await first_of(stop.wait(), supervisor.ready.wait(), supervisor.failed.wait())
            at_start = supervisor.failed.is_set() and not supervisor.ready.is_set()
            failure = self._failure(supervisor) if at_start else ""
            if failure:
                stop.set()
            elif supervisor.ready.is_set():
                self.state.ready_s = asyncio.get_running_loop().time() - began
                self.state.phase = "ready"
                self.started.set()
            await services
        if failure:
            raise ConfigError(failure)

    def _failure(self, supervisor: Supervisor) -> str:
        failed = next(state for state in supervisor.states if state.phase == "failed")
        return f"{failed.name} cannot run: {failed.why} (log: {supervisor.log(failed.name)})"

    def _busy(self, part: str, what: str) -> None:
        self._doing[part] = what
        self.state.doing = "; ".join(self._doing.values())

    def _done(self, part: str) -> None:
        self._doing.pop(part, None)
        self.state.doing = "; ".join(self._doing.values())

    def _all_ready(self) -> bool:
        return all(row.phase == "ready" for row in self.state.rows)

    async def _tell(self) -> None:
        while True:
            if self.started.is_set() and self.state.phase in ("ready", "impaired"):
                self.state.phase = "ready" if self._all_ready() else "impaired"
            self._board.write(self.state)
            self._report(self.state)
            await asyncio.sleep(REPORT_S)
