"""A service's life: settings, log, health, signals, drain and exit code.

In comes what a service is: its name, its settings and a `compose` function that wires and starts
its loops; out comes an exit code. SIGTERM or SIGINT drains within the grace period, a second signal
ends at once. A broker that is away is waited for, with the reason on /readyz and one line on stderr
per change; a setting that cannot be used ends with exit code 2 and one line.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from importlib.metadata import version
from typing import Any, Generic, TypeVar

import uvloop

from comitia.config import KafkaSettings, LogSettings, ServiceSettings, load
from comitia.errors import ConfigError, Overloaded, Retryable, Superseded
from comitia.ports import Log, TopicSpec
from comitia.runtime import catalogue, health_server
from comitia.runtime.clock import BrokerClock
from comitia.runtime.codec import Codec
from comitia.runtime.context import Runtime
from comitia.runtime.dead_letter_limit import DeadLetterLimit
from comitia.runtime.health import Health
from comitia.runtime.heartbeat import Beats, run_heartbeats, send_once, service_beats
from comitia.runtime.kafka_log import KafkaLog
from comitia.runtime.retry import Backoff, Stopped, persist, stopped_within
from comitia.telemetry import logs
from comitia.telemetry.setup import setup
from comitia.topics import Names

_LOG = logging.getLogger("comitia.service")
S = TypeVar("S", bound=ServiceSettings)
EXIT_CONFIG = 2
# What every service writes to.
_ALWAYS = ("heartbeats", "dead-letters")
OpenLog = Callable[[KafkaSettings, str], Awaitable[Log]]


class Service(Generic[S]):
    """What `compose` is given: the settings, the surroundings of loops, and the means to run
    them.
    """

    def __init__(self, settings: S, runtime: Runtime, group: asyncio.TaskGroup) -> None:
        self.settings = settings
        self.runtime = runtime
        self.names = runtime.names
        self._group = group
        self._loops: set[asyncio.Task[None]] = set()
        self._closers: list[Callable[[], Awaitable[None]]] = []

    async def ensure_topics(
        self,
        entities: Iterable[str],
        inboxes: Iterable[str] = (),
        high_inboxes: Iterable[str] = (),
    ) -> Mapping[str, TopicSpec]:
        """Create or verify topics; wait for the broker. ConfigError lists what differs.

        After it the broker's clock is known. Returns the topics as found, by full name.
        """
        runtime, settings = self.runtime, self.settings
        names = dict.fromkeys((*entities, *_ALWAYS))
        specs = catalogue.wanted(self.names, names, inboxes, settings.replication)
        for agent in high_inboxes:
            specs.append(self.names.inbox_spec(agent, settings.replication, high=True))
        create = settings.create_topics
        found = await persist(
            runtime, "broker", lambda: catalogue.ensure(runtime.log, self.names, specs, create)
        )
        beats = service_beats(runtime)
        await persist(runtime, "broker", lambda: send_once(runtime, beats))
        return found

    def heartbeats(self, beats: Beats | None = None) -> None:
        """Tell at intervals that this process lives. None: one heartbeat, of the service."""
        own = beats or service_beats(self.runtime)
        self.start(run_heartbeats(self.runtime, own), "heartbeats")

    def start(self, loop: Coroutine[Any, Any, None], name: str) -> None:
        """Run a loop until it returns, which it does after `runtime.stop`; its failure ends the
        service.
        """
        self._loops.add(self._group.create_task(loop, name=name))

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call `close` once all loops have ended."""
        self._closers.append(close)

    async def drain(self) -> None:
        """Wait for the loops within the grace period, then cancel those that are left."""
        if self._loops:
            _, late = await asyncio.wait(self._loops, timeout=self.settings.grace_ms / 1000)
            for task in late:
                name = task.get_name()
                told = {"event": "not_drained", "loop": name}
                _LOG.warning("%s did not finish within the grace period", name, extra=told)
                task.cancel()

    async def close(self) -> None:
        """Release what was given to `on_close`, last first."""
        for close in reversed(self._closers):
            await close()


def run_service(
    name: str,
    settings: type[S],
    compose: Callable[[Service[S]], Awaitable[None]],
    open_log: OpenLog = KafkaLog.open,
) -> int:
    """Run until a signal; the exit code: 0 after a drain, 2 for a ConfigError, 1 for a bug, a
    bound that must not be passed, such as that on dead letters, or a part that has ended and may be
    well after a new start, such as a model's engine.
    """
    instance = new_instance(name)
    told = _log_settings()
    logs.set_up(name, instance, told.log_format, told.log_level)
    try:
        configured = load(settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(name, configured, compose, open_log, instance))
    except ConfigError as error:
        _LOG.error("%s", error, extra={"event": "failed", "error": "ConfigError"})
        return EXIT_CONFIG
    except (Overloaded, Retryable, Superseded) as error:
        _LOG.error("%s", error, extra={"event": "failed", "error": type(error).__name__})
        return 1
    except Exception:  # noqa: BLE001 - the last resort of the process: told in full, exit code 1
        why = "ended by an error that is not expected: please report it"
        _LOG.exception(why, extra={"event": "failed"})
        return 1
    return 0


def new_instance(name: str) -> str:
    """A name that no other process has, or had."""
    return f"{name}-{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"


def _log_settings() -> LogSettings:
    try:
        return load(LogSettings)
    except ConfigError:
        # All settings are read next: that says what is wrong with these, too.
        return LogSettings.model_construct()


async def serve(
    name: str,
    settings: S,
    compose: Callable[[Service[S]], Awaitable[None]],
    open_log: OpenLog,
    instance: str,
) -> None:
    """The life of a service in the running event loop; returns after the drain. `instance`: see
    `new_instance`.
    """
    stop = asyncio.Event()
    _on_signals(stop, settings.grace_ms)
    asyncio.get_running_loop().set_exception_handler(_in_the_background)
    telemetry = setup(name, instance, os.environ)
    health = Health()
    health.set("start", "starting")
    server = await health_server.serve(health, telemetry, settings.http_host, settings.http_port)
    port = health_server.port_of(server)
    started = {"event": "started", "version": version("comitia"), "port": port}
    _LOG.info("http://%s:%d/readyz", settings.http_host, port, extra=started)
    clock = BrokerClock()
    try:
        log = await _connect(lambda: open_log(settings, instance), health, stop)
        runtime = Runtime(
            service=name,
            instance=instance,
            names=Names(settings.prefix),
            log=log,
            clock=clock,
            codec=Codec(name, instance),
            telemetry=telemetry,
            health=health,
            stop=stop,
            observe=clock.observe,
            member_id=settings.instance_id or None,
            heartbeat_interval_ms=settings.heartbeat_interval_ms,
            commit_interval_ms=settings.commit_interval_ms,
            dead_letter_limit=DeadLetterLimit(
                settings.dead_letters_per_minute_max, settings.dead_letters_fraction_max
            ),
        )
        try:
            await _live(runtime, settings, compose)
        finally:
            await log.close()
    except Stopped:
        _LOG.info("asked to stop before it had started")
    except BaseExceptionGroup as group:
        # What one loop died of; the others were cancelled for it.
        raise _first(group) from group
    finally:
        await server.cleanup()
        await asyncio.to_thread(telemetry.shutdown)
    _LOG.info("ended", extra={"event": "ended"})


async def _live(
    runtime: Runtime, settings: S, compose: Callable[[Service[S]], Awaitable[None]]
) -> None:
    async with asyncio.TaskGroup() as group:
        service = Service(settings, runtime, group)
        stopping = asyncio.create_task(runtime.stop.wait())
        try:
            composing = group.create_task(_compose(service, compose), name="start")
            await asyncio.wait({composing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            composing.cancel()
            await stopping
            runtime.health.set("drain", "draining")
            began_ms = runtime.clock.monotonic_ms()
            await service.drain()
            took_ms = round(runtime.clock.monotonic_ms() - began_ms)
            drained = {"event": "drained", "duration_ms": took_ms}
            _LOG.info("drained in %d ms", took_ms, extra=drained)
        finally:
            stopping.cancel()
            await service.close()


async def _compose(service: Service[S], compose: Callable[[Service[S]], Awaitable[None]]) -> None:
    try:
        await compose(service)
    except Stopped:
        return
    # Let the loops begin: each names what it waits for before anything else.
    await asyncio.sleep(0)
    _settle_memory()
    service.runtime.health.set("start", None)


def _settle_memory() -> None:
    """Take what was built at the start out of the garbage collector's sight, and let it run less
    often: with Python's defaults it took a third of a busy router's processor time, going over
    records and futures that reference counts free anyway.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def _connect(
    open_log: Callable[[], Awaitable[Log]], health: Health, stop: asyncio.Event
) -> Log:
    backoff = Backoff("connect")
    while True:
        try:
            log = await open_log()
        except Retryable as error:
            health.set("broker", str(error))
            if await stopped_within(stop, backoff.next_ms()):
                raise Stopped from error
        else:
            health.set("broker", None)
            return log


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in a group of groups; a ConfigError, if there is one."""
    configuration = group.subgroup(ConfigError)
    error: BaseException = configuration or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _on_signals(stop: asyncio.Event, grace_ms: int) -> None:
    loop = asyncio.get_running_loop()

    def received(number: signal.Signals) -> None:
        if stop.is_set():
            _LOG.warning("%s again: ending at once", number.name)
            os._exit(128 + number)
        told = {"event": "draining", "signal": number.name, "grace_ms": grace_ms}
        _LOG.info("%s: draining, for at most %d ms", number.name, grace_ms, extra=told)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number)


def _in_the_background(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Errors of tasks that nobody awaits, such as a client library's own: one line each."""
    told = {"event": "background_error"}
    _LOG.error("%s: %r", context["message"], context.get("exception"), extra=told)
