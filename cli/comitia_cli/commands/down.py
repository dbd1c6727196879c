"""`comitia down`: stop what `comitia up` started; `--purge`: remove what it keeps."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from comitia.broker.status import stop_running
from comitia.errors import ConfigError
from comitia_cli import exits, options
from comitia_cli.output import Printer
from comitia_cli.places import Places, disk_bytes, human_bytes, places, size_bytes
from comitia_cli.system.board import Board

# Services get 15 s to drain and the broker's nodes their own grace after that.
STOP_S = 60.0
POLL_S = 0.1
# Everything that Comitia ever puts into these folders; whatever else lies there is not ours to
# remove.
IN_STATE = ("broker", "logs", "publish", "up.json", "up.lock")
IN_CACHE = ("kafka", "models", "data", "export")


def down(
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove data, logs, models and jars as well.")
    ] = False,
    yes: options.Yes = False,
) -> None:
    """Stop Comitia.

    --purge lists what it keeps on this machine and removes it after asking.
    """
    where = places()
    stop_system(where)
    if purge:
        _purge(where, yes)


def stop_system(where: Places) -> None:
    """End the supervisor and all that hangs on it, or a broker that lost its supervisor."""
    board = Board(where.state)
    if board.up():
        state = board.read()
        if state is None:
            raise ConfigError("Comitia is just starting or stopping: wait a moment and try again")
        os.kill(state.pid, signal.SIGTERM)
        if not _gone(board, STOP_S):
            # Its children end with it.
            os.kill(state.pid, signal.SIGKILL)
            exits.say(f"process {state.pid} did not stop within {STOP_S:.0f} s and was killed")
            _gone(board, STOP_S)
        exits.say("all stopped")
    elif stop_running(where.state):
        exits.say("stopped an Apache Kafka whose supervisor was gone")
    else:
        exits.say("nothing was up")


def _gone(board: Board, limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while board.up():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


def _purge(where: Places, yes: bool) -> None:
    found = [
        path
        for folder, known in ((where.state, IN_STATE), (where.cache, IN_CACHE))
        for path in (folder / name for name in known)
        if path.exists()
    ]
    printer = Printer()
    table = Table(box=None, pad_edge=False, show_header=False)
    for path in found:
        size = _size(path)
        printer.emit({"path": str(path), "bytes": size})
        table.add_row(str(path), human_bytes(size))
    printer.show(table)
    if not found:
        exits.say("nothing is kept on this machine")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError("nothing was removed: say --yes where nobody can be asked")
        typer.confirm("Remove all of this?", abort=True)
    for path in found:
        _remove(path)
    for folder in (where.state, where.cache):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    exits.say("removed; the environment of a checkout is removed by `make clean`")


def _size(path: Path) -> int:
    return size_bytes(path) if path.is_dir() else disk_bytes(path)


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError as error:
        raise ConfigError(f"cannot remove {path}: {error.strerror}") from error
