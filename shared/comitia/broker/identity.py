"""Which process a pid means: a pid together with a mark of when it began, so that a reused pid is
never mistaken or killed.

The mark is opaque text, equal only for the same process: on Linux the start in clock ticks since
boot and the boot's id (neither moves when the clock is set), elsewhere psutil's creation time.
Records of processes are small JSON files.
"""

import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class ProcessRecord:
    """A process as it was noted down: its pid, its mark, and the port it serves (0: none)."""

    pid: int
    mark: str
    port: int = 0

    def alive(self) -> bool:
        """Is it this very process that runs under the pid now?"""
        return start_mark(self.pid) == self.mark

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal, if it is still this process; says whether it was."""
        if not self.alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False  # it ended in between
        return True


def start_mark(pid: int) -> str | None:
    """The mark of the process that has this pid now; None when there is none (nor for a zombie)."""
    return _linux_mark(pid) if Path("/proc/self/stat").exists() else _portable_mark(pid)


def _linux_mark(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): the name in parentheses may hold anything; the state is field 3, the start field 22.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _portable_mark(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.3f}"
    except psutil.NoSuchProcess:
        return None


def write_record(path: Path, pid: int, port: int = 0) -> ProcessRecord:
    """Note down a running process, in one step: a reader sees all of it or none."""
    record = ProcessRecord(pid, start_mark(pid) or "", port)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(asdict(record)), encoding="utf-8")
    scratch.replace(path)
    return record


def read_record(path: Path) -> ProcessRecord | None:
    """The record in a file; None when there is none or it is not one (a crash or a full disk may
    cut it).
    """
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        return ProcessRecord(int(entry["pid"]), str(entry["mark"]), int(entry["port"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
