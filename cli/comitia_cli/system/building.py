"""Building models in a process of its own: the libraries that it takes stay out of the supervisor's
memory.

As a program: `python -m comitia_cli.system.building MODELS_DIR CACHE_DIR NAME...` writes progress
as JSON lines and ends with status 2 and one line on standard error when something is wrong. As a
library: `build` runs that program and hands progress on.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from comitia.errors import ConfigError
from comitia.inference.cards import ModelCard, Progress, find_card
from comitia.inference.store import read_manifest
from comitia_cli.places import human_bytes

# A step of a build counts in single units; beyond this it counts bytes.
STEPS_MAX = 1000


def words(what: str, done: int, total: int) -> str:
    """ "fetching x: 12.0 MB of 92.9 MB"; steps are left out."""
    if max(done, total) <= STEPS_MAX:
        return what
    return f"{what}: {human_bytes(done)}" + (f" of {human_bytes(total)}" if total else "")


def missing(cards: Sequence[ModelCard], cache_dir: Path) -> list[ModelCard]:
    """Those that have no build, or one of another card. Whether its bytes are intact, the agents
    check.
    """
    found = []
    for card in cards:
        try:
            read_manifest(card, cache_dir)
        except ConfigError:
            found.append(card)
    return found


async def build(
    cards: Sequence[ModelCard], models: Path, cache_dir: Path, say: Callable[[str], None]
) -> None:
    """Pull and build what is missing. ConfigError as the building process says it."""
    names = [card.name for card in missing(cards, cache_dir)]
    if not names:
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "comitia_cli.system.building", str(models), str(cache_dir), *names),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    try:
        async for line in process.stdout:
            say(words(*json.loads(line)))
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if status != 0:
        said = (await errors).decode(errors="replace").strip().splitlines()
        raise ConfigError(
            said[-1] if said else f"building {', '.join(names)} failed (status {status})"
        )


def _reporter() -> Progress:
    last = ("", -1)

    def report(what: str, done: int, total: int) -> None:
        nonlocal last
        # A hundred lines a file are enough.
        part = 100 * done // total if total else done >> 20
        if (what, part) != last:
            last = (what, part)
            sys.stdout.write(json.dumps([what, done, total]) + "\n")
            sys.stdout.flush()

    return report


def main(models: Path, cache_dir: Path, names: list[str]) -> int:
    """Build each; the exit status."""
    from comitia.inference.export.make import ensure

    try:
        for name in names:
            ensure(find_card(models, name), cache_dir, _reporter())
    except ConfigError as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
