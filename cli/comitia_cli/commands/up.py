"""`comitia up`: start everything and keep it running, here or in the background."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from comitia.errors import ConfigError, Retryable
from comitia_cli import exits, options
from comitia_cli.output import Printer
from comitia_cli.places import Places, folder_of, human_bytes, places
from comitia_cli.shell import OpenLog, run, shell_of
from comitia_cli.show.system import memory_bytes, system_table
from comitia_cli.system.board import Board, SystemState, already_up
from comitia_cli.system.service import last_line
from comitia_cli.system.supervisor import LOG_BYTES_MAX, ServiceState, bound
from comitia_cli.system.system import System, Wanted

POLL_S = 0.2


def up(
    ctx: typer.Context,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Leave it running and return when it is ready.")
    ] = False,
    bootstrap: options.Bootstrap = None,
    agents: options.Agents = None,
    models: options.Models = None,
) -> None:
    """Start Apache Kafka and all services, and keep them running.

    --bootstrap uses your own cluster instead. Topics are made and models built first where they
    are missing. Ctrl-C stops all of it; after --detach, `comitia down` does.
    """
    where = places()
    board = Board(where.state)
    if board.up():
        _already(board, detach)
        return
    stale = board.stale_pid()
    if stale is not None:
        exits.say(
            f"a former run (process {stale or 'unknown'}) ended without cleaning up: starting "
            "afresh"
        )
    wanted = Wanted(bootstrap, folder_of("agents", agents), folder_of("models", models))
    if detach:
        screen = Screen()
        state = wait_until_ready(start_detached(where, wanted), board, screen)
        screen.printer.show(system_table(state))
        screen.ready(state, "comitia down")
    else:
        run(_supervise(where, wanted, shell_of(ctx).open_log))


def _already(board: Board, detach: bool) -> None:
    state = board.read()
    exits.say(already_up(state))
    printer = Printer()
    if state is not None:
        printer.emit(asdict(state))
        printer.show(system_table(state))
    # With --detach, what was asked for is the case.
    if not (detach and state is not None and state.phase == "ready"):
        raise typer.Exit(exits.FAILED)


class Screen:
    """Shows a system: a live table on a terminal, else a line on standard error as something
    changes.
    """

    def __init__(self) -> None:
        self.printer = Printer()
        self._live = Live(console=self.printer.remarks, refresh_per_second=4, transient=True)
        self._last: dict[str, str] = {}

    def shown(self) -> "Live | nullcontext[None]":
        return self._live if sys.stderr.isatty() else nullcontext()

    def report(self, state: SystemState) -> None:
        if sys.stderr.isatty():
            self._live.update(system_table(state))
            return
        # Progress in bytes is for terminals: a log gets each step once.
        steps = [part.split(":")[0] for part in state.doing.split("; ") if part]
        for line in steps + [_in_words(row) for row in state.rows]:
            name = line.split(":")[0]
            if self._last.get(name) != line:
                self._last[name] = line
                exits.say(line)

    def ready(self, state: SystemState, how_to_stop: str) -> None:
        """The last word of a start."""
        self.printer.emit(asdict(state))
        memory = human_bytes(memory_bytes(state))
        self.printer.show(
            f"ready after {state.ready_s:.1f} s, {memory} of memory\n"
            'ask:  comitia ask "A gripping film." --skill sentiment --options positive,negative\n'
            f"stop: {how_to_stop}"
        )


def _in_words(row: ServiceState) -> str:
    why = f" ({row.why})" if row.phase in ("failed", "waiting") else ""
    return f"{row.name}: {row.phase}{why}"


async def _supervise(where: Places, wanted: Wanted, open_log: OpenLog) -> None:
    screen = Screen()
    stop = asyncio.Event()
    system = System(wanted, where, open_log, screen.report)
    _on_signals(stop)
    with screen.shown():
        running = asyncio.create_task(system.run(stop))
        started = asyncio.create_task(system.started.wait())
        await asyncio.wait([running, started], return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            screen.ready(system.state, "Ctrl-C")
        started.cancel()
        await running
    exits.say("all stopped")


def _on_signals(stop: asyncio.Event) -> None:
    """The first asks for an orderly end; a second one ends at once, and the services with us."""

    def asked() -> None:
        if stop.is_set():
            os._exit(exits.INTERRUPTED)
        exits.say("stopping all services (once more to stop at once)")
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked)


@dataclass(frozen=True)
class Background:
    """A supervisor in a session of its own, and where it writes."""

    process: "subprocess.Popen[bytes]"
    log: Path


def start_detached(where: Places, wanted: Wanted) -> Background:
    """Start a supervisor that outlives this command. ConfigError when its log cannot be written."""
    log = where.logs / "supervisor.log"
    command = [sys.executable, "-m", "comitia_cli.main", "up"]
    command += ["--agents", str(wanted.agents), "--models", str(wanted.models)]
    if wanted.bootstrap is not None:
        command += ["--bootstrap", wanted.bootstrap]
    try:
        where.logs.mkdir(parents=True, exist_ok=True)
        bound(log, LOG_BYTES_MAX)
        output = log.open("ab")
    except OSError as error:
        raise ConfigError(
            f"cannot write to {where.logs}: {error.strerror}. Make it writable, or set "
            "COMITIA_STATE_DIR to another folder"
        ) from error
    with output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # Whether it is the embedded broker is settled here, not by the environment.
            env={k: v for k, v in os.environ.items() if k != "COMITIA_BOOTSTRAP"},
        )
    return Background(process, log)


def wait_until_ready(started: Background, board: Board, screen: Screen) -> SystemState:
    """Show the start until it is ready. When it ends before, its last words: Retryable where no
    broker answered, else ConfigError.
    """
    with screen.shown():
        while started.process.poll() is None:
            state = board.read()
            if state is not None and state.pid == started.process.pid:
                screen.report(state)
                if state.phase == "ready":
                    return state
            time.sleep(POLL_S)
    said = last_line(started.log).removeprefix("comitia: ")
    status = started.process.returncode
    error = Retryable if status == exits.BROKER_AWAY else ConfigError
    raise error(said or f"the supervisor ended with status {status}: see {started.log}")
