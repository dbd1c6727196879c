"""What every command has at hand: a way to open the log, its names, and one place that runs
coroutines.

Production opens Apache Kafka; tests hand in a function that opens another log. In: options and
environment. Out: a `Session`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import typer

from comitia.config import KafkaSettings, load
from comitia.errors import ConfigError, Retryable
from comitia.ports import Log, TopicSpec
from comitia.topics import Names
from comitia_cli.places import places
from comitia_cli.system.board import Board

T = TypeVar("T")
OpenLog = Callable[[KafkaSettings], Awaitable[Log]]


async def open_kafka(settings: KafkaSettings) -> Log:
    """Apache Kafka. Imported when needed, so that commands without a broker start fast."""
    from comitia.runtime.kafka_log import KafkaLog

    return await KafkaLog.open(settings, "comitia-cli")


@dataclass(frozen=True)
class Session:
    """An open log and the names of everything in it."""

    log: Log
    names: Names
    settings: KafkaSettings

    async def topic(self, entity: str) -> TopicSpec:
        """A topic of the catalogue as it exists. ConfigError when it does not."""
        return await self.existing(self.names.topic(entity))

    async def existing(self, name: str) -> TopicSpec:
        """A topic by its full name. ConfigError when it does not exist."""
        found = await self.log.describe([name])
        if name not in found:
            raise ConfigError(
                f"topic {name} does not exist on {self.settings.bootstrap}: "
                "create it with `comitia topics --apply`, or start Comitia with `comitia up`"
            )
        return found[name]


@dataclass(frozen=True)
class Shell:
    """The surroundings of a command."""

    open_log: OpenLog = open_kafka

    @asynccontextmanager
    async def session(self, bootstrap: str | None) -> AsyncIterator[Session]:
        """An open log; closed at the end. Retryable when no broker answers."""
        settings = kafka_settings(bootstrap)
        try:
            log = await self.open_log(settings)
        except Retryable as error:
            raise Retryable(
                f"no Apache Kafka answers at {settings.bootstrap}: see that it runs (`comitia up` "
                f"starts one), or correct --bootstrap ({error})"
            ) from error
        try:
            yield Session(log, Names(settings.prefix), settings)
        finally:
            await log.close()


def kafka_settings(bootstrap: str | None) -> KafkaSettings:
    """The cluster to talk to: the one given, else the one in the environment, else that of the
    running system.
    """
    if bootstrap is None:
        state = Board(places().state).read()
        if state is None or not state.bootstrap:
            raise ConfigError(
                "no broker: start Comitia with `comitia up`, or name your cluster with "
                "--bootstrap HOST:PORT"
            )
        return load(KafkaSettings, {"bootstrap": state.bootstrap, "prefix": state.prefix})
    return load(KafkaSettings, {"bootstrap": bootstrap})


def shell_of(ctx: typer.Context) -> Shell:
    """The shell that `main` or a test put into the context."""
    shell = ctx.find_root().obj
    return shell if isinstance(shell, Shell) else Shell()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; Ctrl-C cancels it and leaves as KeyboardInterrupt."""
    # It reports the errors that it raises, too: a command says each once, in its own words.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    return asyncio.run(work)
