"""The services under test as processes: started, killed, restarted, and their clocks.

In come the brokers' address, a prefix and a folder; each process logs to a file there and reads its
own offset from the real time in another (Debian's faketime, where it is installed). A process that
ends by itself is started again, as a supervisor would, and its exit code is counted.
"""

import asyncio
import glob
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
AGENTS = ("chaos-a", "chaos-b", "chaos-c")
SESSION_MS = 3_000
COUNTS = {"aggregator": 3, "router": 2, "agent": 2}
NAMES = [f"{kind}-{number}" for kind, count in COUNTS.items() for number in range(count)]
# Longer than the services' own grace period.
STOP_TIMEOUT_S = 30
LOOK_EVERY_S = 0.1
RESTART_AFTER_S = 0.3
# "" where Debian's package faketime is not installed.
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), "")


@dataclass(slots=True)
class Member:
    """One process by name; `held` while a fault has it in hand."""

    name: str
    process: subprocess.Popen[bytes]
    held: bool = False
    clock_s: int = 0

    @property
    def kind(self) -> str:
        return self.name.rpartition("-")[0]

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


@dataclass(slots=True)
class Services:
    """Three aggregators, two routers, two processes of the agents, which serve all of AGENTS."""

    bootstrap: str
    prefix: str
    folder: Path
    sabotage: str = ""
    members: dict[str, Member] = field(default_factory=dict)
    # "router ended by itself, exit code 1" and so on.
    endings: Counter[str] = field(default_factory=Counter)
    # Every process that was ever started, zombies too.
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _files: ExitStack = field(default_factory=ExitStack)

    def start_all(self) -> None:
        for name in NAMES:
            self.start(name)

    def start(self, name: str) -> None:
        """Start the process of this name, under its name in groups too; a former one is let be."""
        before = self.members.get(name)
        member = Member(name, self._spawn(name))
        if before is not None:
            member.held, member.clock_s = before.held, before.clock_s
        self.members[name] = member

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        kind = name.rpartition("-")[0]
        command = {"agent": [sys.executable, "-m", "tests.chaos.agent", *AGENTS]}.get(
            kind, [str(Path(sys.executable).parent / f"comitia-{kind}")]
        )
        if self.sabotage and kind != "agent":
            command = [sys.executable, "-m", "tests.chaos.sabotage", self.sabotage, kind]
        environment = {
            **os.environ,
            "COMITIA_BOOTSTRAP": self.bootstrap,
            "COMITIA_PREFIX": self.prefix,
            "COMITIA_INSTANCE_ID": name,
            "COMITIA_SESSION_TIMEOUT_MS": str(SESSION_MS),
            "COMITIA_HEARTBEAT_INTERVAL_MS": "1000",
        }
        if FAKETIME:
            environment |= {
                "LD_PRELOAD": FAKETIME,
                "FAKETIME_TIMESTAMP_FILE": str(self._clock(name)),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_NO_CACHE": "1",
            }
            if not self._clock(name).exists():
                self._set_clock(name, 0)
        log = self._files.enter_context((self.folder / f"{name}.log").open("ab"))
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=ROOT)
        self._started.append(process)
        return process

    def free(self, kind: str = "") -> list[Member]:
        """Running processes that no fault has in hand."""
        found = [m for m in self.members.values() if m.alive and not m.held]
        return [m for m in found if m.kind == kind or not kind]

    def jump_clock(self, member: Member, seconds: int) -> None:
        """Move what this process takes for the time of day."""
        member.clock_s += seconds
        self._set_clock(member.name, member.clock_s)

    def right_clocks(self) -> None:
        """All clocks tell the time again."""
        for member in self.members.values() if FAKETIME else ():
            self.jump_clock(member, -member.clock_s)

    def _clock(self, name: str) -> Path:
        return self.folder / f"{name}.clock"

    def _set_clock(self, name: str, seconds: int) -> None:
        # Replaced as a whole: the process may read it at any moment.
        scratch = self.folder / f"{name}.clock.new"
        scratch.write_text(f"{seconds:+d}\n")
        scratch.replace(self._clock(name))

    async def watch(self) -> None:
        """Until cancelled: start again what has ended by itself."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for name in NAMES:
                member = self.members[name]
                if not member.alive and not member.held:
                    member.held = True
                    code = member.process.returncode
                    self.endings[f"{member.kind} ended by itself, exit code {code}"] += 1
                    await asyncio.sleep(RESTART_AFTER_S)
                    member.held = False
                    self.start(name)

    async def stop_all(self) -> None:
        """SIGTERM, as a deployment does; what does not end in order is counted in `endings`."""
        for member in self.members.values():
            member.process.send_signal(signal.SIGTERM)
        for member in self.members.values():
            try:
                await asyncio.to_thread(member.process.wait, STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                member.process.kill()
            code = member.process.wait()
            if code != 0:
                self.endings[f"{member.kind} did not stop in order, exit code {code}"] += 1

    def close(self) -> None:
        """Kill what is left."""
        for process in self._started:
            process.kill()
            process.wait()
        self._files.close()
