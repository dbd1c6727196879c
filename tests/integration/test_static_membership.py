"""Aggregators with instance ids of their own, on Apache Kafka: a rolling restart moves nothing, a
lost node gives its partitions up, and of two processes under one id the older ends.

Take-overs are counted from what the processes say: "partition 3 is live".
"""

import asyncio
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.integration.panel_support import Processes

PARTITIONS = Counter(range(4))
LOOK_EVERY_S = 0.1
ATTEMPTS_MAX = 1_200
ROLLING_SESSION_MS = 30_000
SHORT_SESSION_MS = 6_000


class Group:
    """Aggregators by name: an instance id and the number of the process under it, as in "b2"."""

    def __init__(self, processes: Processes, session_timeout_ms: int) -> None:
        self._processes = processes
        self._session = str(session_timeout_ms)
        self.all: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        command = [sys.executable, "-m", "comitia_aggregator.main"]
        given = {"COMITIA_INSTANCE_ID": name[0], "COMITIA_SESSION_TIMEOUT_MS": self._session}
        self.all[name] = self._processes.start(name, command, **given)

    def let_go(self, name: str) -> subprocess.Popen[bytes]:
        """A process that is about to end."""
        del self.all[name]
        return self._processes._running.pop(name)

    def taken(self, name: str) -> list[int]:
        """The partitions that a process has taken over, in order."""
        found = re.findall(r"partition (\d+) is live", self._processes.output(name))
        return [int(number) for number in found]

    async def until_taken(self, *names: str, before: Sequence[int] = ()) -> None:
        """Wait until these, together, have each partition once more than `before`."""
        wanted = PARTITIONS + Counter(before)
        for _ in range(ATTEMPTS_MAX):
            if sum((Counter(self.taken(name)) for name in names), Counter[int]()) >= wanted:
                return
            self._processes.check()
            await asyncio.sleep(LOOK_EVERY_S)
        outputs = "\n".join(self._processes.output(name) for name in names)
        raise AssertionError(f"not all partitions were taken over:\n{outputs}")

    async def three(self) -> dict[str, list[int]]:
        """Start a1, b1, c1, one after the other; the partitions of each when all have joined.

        A member that joins moves them all once: everybody takes what it has then over again.
        """
        owned: dict[str, list[int]] = {}
        for name in ("a1", "b1", "c1"):
            before = {other: len(self.taken(other)) for other in self.all}
            former = [number for other in self.all for number in self.taken(other)]
            self.start(name)
            await self.until_taken(*self.all, before=former)
            owned = {other: self.taken(other)[before.get(other, 0) :] for other in self.all}
        assert sum((Counter(numbers) for numbers in owned.values()), Counter[int]()) == PARTITIONS
        return owned


@pytest.fixture
def processes(broker: str, tmp_path: Path, cache_dir: Path) -> Iterator[Processes]:
    with Processes(tmp_path, broker, cache_dir) as running:
        yield running


async def test_a_rolling_restart_moves_no_partition(processes: Processes) -> None:
    group = Group(processes, ROLLING_SESSION_MS)
    owned = await group.three()
    assert all(owned.values())
    taken = {name: group.taken(name) for name in group.all}
    for former, name in (("a1", "a2"), ("b1", "b2"), ("c1", "c2")):
        ending = group.let_go(former)
        ending.terminate()
        assert await asyncio.to_thread(ending.wait, 60) == 0
        group.start(name)
        for _ in range(ATTEMPTS_MAX):
            if len(group.taken(name)) >= len(owned[former]):
                break
            processes.check()
            await asyncio.sleep(LOOK_EVERY_S)
        # Its own, each once; nobody else has lost or got any.
        assert sorted(group.taken(name)) == sorted(owned[former])
        taken[name] = group.taken(name)
        assert {name: group.taken(name) for name in taken} == taken


async def test_a_lost_node_gives_its_partitions_up_after_its_session(processes: Processes) -> None:
    group = Group(processes, SHORT_SESSION_MS)
    owned = await group.three()
    before = group.taken("a1") + group.taken("c1")
    lost = group.let_go("b1")
    lost.kill()
    await asyncio.to_thread(lost.wait)
    await group.until_taken("a1", "c1", before=before)
    # Everything moved once, not only what was lost: aiokafka has no cooperative rebalance.
    assert Counter(group.taken("a1") + group.taken("c1")) == PARTITIONS + Counter(before)
    assert owned["b1"]


async def test_of_two_processes_with_one_instance_id_the_older_ends(processes: Processes) -> None:
    group = Group(processes, ROLLING_SESSION_MS)
    group.start("a1")
    await group.until_taken("a1")
    older = group.let_go("a1")
    group.start("a2")
    assert await asyncio.to_thread(older.wait, 60) == 1
    assert "COMITIA_INSTANCE_ID" in processes.output("a1")
    await group.until_taken("a2")
    assert group.all["a2"].poll() is None
