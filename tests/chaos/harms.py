"""What a fault does to processes, network and clocks, and how it heals.

In come the handles of brokers, services and proxy, and who is to be harmed. A process is harmed
before its function first awaits; what follows the first await heals it again after a drawn time.
"""

import asyncio
import random
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.cluster import NODES, Cluster
from tests.chaos.proxy import Cut, Proxy
from tests.chaos.services import SESSION_MS, Member, Services

SESSION_S = SESSION_MS / 1_000
# A zombie that was replaced should find out by itself; after so long it is killed.
REPLACED_ENDS_S = 15
CLOCK_JUMPS_S = (-86_400, -3_600, -30, -2, 2, 30, 3_600, 86_400)


@dataclass(slots=True)
class Harms:
    """All that can be done. `notes` counts what was seen of zombies' ends."""

    cluster: Cluster
    services: Services
    proxy: Proxy
    notes: Counter[str] = field(default_factory=Counter)
    # Whether all brokers are up and in sync, so that the next may be killed.
    brokers_whole: bool = True

    async def kill(self, members: list[Member], draw: random.Random) -> None:
        """SIGKILL; each starts again at once, soon, or after its session."""
        for member in members:
            member.held = True
            member.process.kill()
        waits = [draw.choice((0, 0.5, SESSION_S + 1)) for _ in members]
        await asyncio.gather(*map(self._start_later, members, waits))

    async def _start_later(self, member: Member, seconds: float) -> None:
        await asyncio.to_thread(member.process.wait)
        await asyncio.sleep(seconds)
        self._release(member)
        self.services.start(member.name)

    async def stop_beyond(self, members: list[Member], draw: random.Random) -> None:
        """SIGSTOP for longer than the session: a zombie that wakes and finds its place taken."""
        await self._stop(members[0], SESSION_S + draw.choice((0.2, 1, 3)))

    async def stop_within(self, members: list[Member], draw: random.Random) -> None:
        """SIGSTOP for less than the session: it stays the owner, with everything late."""
        await self._stop(members[0], SESSION_S * draw.choice((0.1, 0.3, 0.6)))

    async def _stop(self, member: Member, seconds: float) -> None:
        member.held = True
        member.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        member.process.send_signal(signal.SIGCONT)
        self._release(member)

    async def replace(self, members: list[Member], draw: random.Random) -> None:
        """SIGSTOP, and a new process under the same name, as when a node is lost; then it wakes."""
        [zombie] = members
        zombie.held = True
        zombie.process.send_signal(signal.SIGSTOP)
        self._release(zombie)
        self.services.start(zombie.name)
        await asyncio.sleep(SESSION_S + draw.choice((0.2, 1, 3)))
        zombie.process.send_signal(signal.SIGCONT)
        try:
            await asyncio.to_thread(zombie.process.wait, REPLACED_ENDS_S)
            self.notes["replaced zombies that ended by themselves"] += 1
        except subprocess.TimeoutExpired:
            self.notes["replaced zombies that had to be killed"] += 1
            zombie.process.kill()
            zombie.process.wait()

    async def cut_off(self, members: list[Member], draw: random.Random) -> None:
        """The network of one process stands still, or resets its connections."""
        [member] = members
        hows: tuple[Cut, ...] = ("stall", "reset")
        pid = member.process.pid
        member.held = True
        self.proxy.cut(pid, draw.choice(hows))
        await asyncio.sleep(draw.choice((0.5, SESSION_S + 1, SESSION_S + 4)))
        self.proxy.heal(pid)
        self._release(member)

    async def jump_clock(self, members: list[Member], draw: random.Random) -> None:
        """The time of day of one process jumps, and stays."""
        self.services.jump_clock(members[0], draw.choice(CLOCK_JUMPS_S))

    async def kill_broker(self, _: list[Member], draw: random.Random) -> None:
        """SIGKILL one broker; the rest can still acknowledge."""
        await self._kill_brokers(draw.sample(range(NODES), 1), draw)

    async def kill_two_brokers(self, _: list[Member], draw: random.Random) -> None:
        """SIGKILL two brokers: nothing can be acknowledged until one is back."""
        await self._kill_brokers(draw.sample(range(NODES), 2), draw)

    async def _kill_brokers(self, numbers: list[int], draw: random.Random) -> None:
        self.brokers_whole = False
        for number in numbers:
            await asyncio.to_thread(self.cluster.kill, number)
        await asyncio.sleep(draw.choice((0.5, 4)))
        for number in numbers:
            self.cluster.restart(number)
        await self.cluster.until_in_sync()
        self.brokers_whole = True

    def _release(self, member: Member) -> None:
        # The table's entry is another one when the process was replaced meanwhile.
        member.held = False
