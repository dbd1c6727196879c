"""A system as `comitia up` runs it, for benchmarks: real services and models on an Apache Kafka of
its own.

In come a folder to work in and a folder of agents' cards; out comes a System, how to wait until it
is ready, and feedback given as a user gives it. Whoever starts it ends it: see `running`.
"""

import asyncio
import csv
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bench.common import BIN, ROOT, free_ports
from comitia.config import DirectorySettings, load
from comitia.v1.weights_pb2 import Weights
from comitia_cli.client.redeciding import weights_of
from comitia_cli.places import Places
from comitia_cli.shell import Shell, open_kafka
from comitia_cli.system.system import System, Wanted

PATIENCE_S = 120.0


@asynccontextmanager
async def running(folder: Path, cards: Path) -> AsyncIterator[System]:
    """Everything ready, in `folder`; ended on leaving."""
    state = folder / "state"
    os.environ |= {
        "COMITIA_STATE_DIR": str(state),
        "COMITIA_BROKER_PORT": str(free_ports(2)),
        "COMITIA_LOG_FORMAT": "text",
    }
    os.environ.pop("COMITIA_BOOTSTRAP", None)
    wanted = Wanted(None, cards, ROOT / "models")
    places = Places(state, load(DirectorySettings).cache_dir)
    system, stop = System(wanted, places, open_kafka, _unseen), asyncio.Event()
    work = asyncio.create_task(system.run(stop))
    try:
        await _ready(system, work)
        yield system
    finally:
        stop.set()
        await asyncio.gather(work, return_exceptions=True)


async def feed(bootstrap: str, told: Mapping[str, str], folder: Path) -> None:
    """`comitia feedback --file`: task id -> what is right, as a person writes it."""
    path = folder / "right.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("task_id", "correct"), *told.items()])
    command = (str(BIN / "comitia"), "feedback", "--file", str(path), "--bootstrap", bootstrap)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"feedback was refused: {errors.decode()}")


async def counted(bootstrap: str, skill: str, wanted: int) -> Weights:
    """The skill's newest weights, once as much feedback as `wanted` is in them."""
    async with asyncio.timeout(PATIENCE_S), Shell().session(bootstrap) as session:
        while True:
            weights = (await weights_of(session, 0)).get(skill)
            if weights is not None and weights.feedback_count >= wanted:
                return weights
            await asyncio.sleep(0.2)


async def _ready(system: System, work: "asyncio.Task[None]") -> None:
    started = asyncio.create_task(system.started.wait())
    await asyncio.wait({started, work}, return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if work.done():
        await work


def _unseen(_: object) -> None:
    """Nobody watches the board."""
