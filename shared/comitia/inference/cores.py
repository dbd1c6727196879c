"""How many cores this process may use: what the scheduler allows it, and what its group is given.

In come the affinity of the process and the quotas of its control group (v2 and v1); out go whole
cores and a quota. A container with `--cpus=2` on a machine of 64 cores has an affinity of 64, and a
quota of 2. Nothing is written.
"""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_GROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


class Cores(NamedTuple):
    """`threads`: that can run at once. `quota`: processor seconds per second, None where
    there is no limit but the cores.
    """

    threads: int
    quota: float | None


def cores(groups: Path = _GROUPS, own: Path = _OWN) -> Cores:
    """What this process may use. A quota of 1.5 makes two cores, of which neither is whole."""
    affinity = _affinity()
    quota = min(_quotas(groups, own), default=None)
    if quota is None or quota >= affinity:
        return Cores(affinity, None)
    return Cores(max(1, math.ceil(quota)), quota)


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(groups: Path, own: Path) -> Iterator[float]:
    """Of the process' own group and of all that it is in: each holds."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        # No Linux, or a sandbox without /proc.
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            # Beside v1, v2 is mounted one level deeper.
            for mount in (groups, groups / "unified"):
                yield from _chain(mount, path, _read_v2)
        elif "cpu" in controllers.split(","):
            for mount in {groups / controllers, groups / "cpu"}:
                yield from _chain(mount, path, _read_v1)


def _chain(mount: Path, path: str, read: Callable[[Path], float | None]) -> Iterator[float]:
    """From a group up to the root. In a container the path may be the host's, where nothing is but
    the root.
    """
    folder = mount / path.strip("/")
    for group in (folder, *folder.parents):
        quota = read(group)
        if quota is not None:
            yield quota
        if group == mount:
            return


def _read_v2(group: Path) -> float | None:
    """cpu.max: "150000 100000" or "max 100000", microseconds of each period."""
    words = _words(group / "cpu.max")
    return None if not words or words[0] == "max" else int(words[0]) / int(words[1])


def _read_v1(group: Path) -> float | None:
    """cpu.cfs_quota_us, -1 for no limit, over cpu.cfs_period_us."""
    quota, period = _words(group / "cpu.cfs_quota_us"), _words(group / "cpu.cfs_period_us")
    return int(quota[0]) / int(period[0]) if quota and period and int(quota[0]) > 0 else None


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        # Not every group has a quota: the root has none, nor has one without the controller.
        return []
