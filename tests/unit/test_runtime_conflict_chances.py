"""Conflicts of one partition under any order of reading, publishing, forgetting and dying: by
seeds. Each is settled once, by the first verdict in the log that fits, or expires once.
"""

import random
from collections.abc import Iterable

import pytest

from comitia.v1.decision_pb2 import DECISION_STATUS_ESCALATED, DECISION_STATUS_EXPIRED
from comitia.v1.panel_event_pb2 import PanelEvent
from tests.sim.events import cancelled
from tests.unit.conflict_world import EXPIRES_MS
from tests.unit.ladder_world import RULES
from tests.unit.partition_world import Partition, disagreeing, settling

SEEDS = 400
STEPS = 60
TASKS = ("t1", "t2", "t3")


class Chances(Partition):
    """A partition that does at random whatever an owner, its broker and people do."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.chance = random.Random(f"conflicts {seed}")
        self.committed = (0, 0)
        self.in_flight = False
        self.unbegun = list(TASKS)

    def run(self) -> "Chances":
        for _ in range(STEPS):
            self.chance.choice(
                (
                    self.begin, self.speak, self.speak, self.read_some, self.read_some, self.send,
                    self.acknowledge, self.commit, self.forget, self.wait, self.die, self.look_up,
                )
            )()  # fmt: skip
        while self.unbegun:
            self.begin()
        return self.drain()

    def drain(self) -> "Chances":
        """Until nothing is left to do, with time for every conflict to expire."""
        for _ in range(20):
            self.read()
            self.look_up()
            self.send()
            self.acknowledge()
            self.now_ms += EXPIRES_MS // 4
            self.tick()
        return self

    def begin(self) -> None:
        if self.unbegun:
            for event in disagreeing(self.unbegun.pop()):
                self.append(event)

    def speak(self) -> None:
        waits = [d for d in self.decisions if d.status == DECISION_STATUS_ESCALATED]
        if waits:
            task_id = self.chance.choice(waits).task_id
            offset = next(n for n, one in enumerate(self.decisions) if one.task_id == task_id)
            said = settling(task_id, self.chance.choice((offset, offset, 99)))
            said.verdict.value.option_id = self.chance.choice("abz")
            said.verdict.revision = self.chance.choice((0, 0, 0, 1))
            again = self.chance.random() < 0.3
            for event in (said, said) if again else (said,):
                self.append(self.chance.choice((event, event, cancelled(task_id))))

    def read_some(self) -> None:
        self.read(self.chance.randint(1, 6))

    def send(self) -> None:
        if not self.in_flight:
            self.in_flight = bool(self.flush())

    def acknowledge(self) -> None:
        if self.in_flight:
            self.in_flight = False
            self.state.done()

    def commit(self) -> None:
        self.committed = (self.state.low_water(), self.state.decisions_from())

    def forget(self) -> None:
        before_ms = self.now_ms - self.chance.choice((0, 1_000, 3_600_000))
        self.state.prune(before_ms, self.chance.choice((0, 1, 1_000)))

    def wait(self) -> None:
        self.now_ms += self.chance.choice((10, 20_000, RULES.remind_ms))
        self.tick()

    def tick(self) -> None:
        if self.state.next == len(self.log) and not self.in_flight:
            self.state.fire(self.now_ms)

    def die(self) -> None:
        self.in_flight = False
        self.state.drop()
        mark, recalled = self.committed
        # What was decided before is remembered from when, nobody knows.
        self.take_over(mark, recalled, self.now_ms + 1 if recalled else 0)

    def look_up(self) -> None:
        wanted = dict(self.state.parked)
        found = {}
        for offset in range(self.state.memory.from_offset):
            if self.decisions[offset].task_id in wanted:
                found[self.decisions[offset].task_id] = self.decision_at(offset)
        self.state.settle(wanted, found)

    def fitting(self, task_id: str) -> Iterable[PanelEvent]:
        """The verdicts that settle the task's conflict, in the order of the log."""
        offset = next(n for n, one in enumerate(self.decisions) if one.task_id == task_id)
        expires_ms = self.decisions[offset].escalation.expires_ms
        for event, append_ms in self.log:
            said = event.verdict
            fits = said.revision == 0 and said.decision_offset == offset
            valid = event.HasField("verdict") and event.task_id == task_id
            if valid and fits and said.value.option_id != "z" and append_ms <= expires_ms:
                yield event


def check(seed: int) -> tuple[int, int]:
    """How many conflicts were settled and how many have expired."""
    p = Chances(seed).run()
    settled = 0
    escalated = [d.task_id for d in p.decisions if d.status == DECISION_STATUS_ESCALATED]
    for task_id in escalated:
        assert p.revisions(task_id) == [0, 1], f"seed {seed}: {task_id} {p.revisions(task_id)}"
        (made,) = (d for d in p.decisions if d.task_id == task_id and d.revision)
        first = next(iter(p.fitting(task_id)), None)
        told = [one for one in p.feedback if one.task_id == task_id]
        if first is None:
            assert made.status == DECISION_STATUS_EXPIRED, f"seed {seed}: {task_id}"
            assert not told, f"seed {seed}: {task_id}"
        else:
            settled += 1
            assert made.value == first.verdict.value, f"seed {seed}: {task_id}"
            assert len(told) == 1, f"seed {seed}: {task_id}"
    assert p.state.conflicts == 0 and p.state.open == 0, f"seed {seed}"
    assert (p.load.tasks, p.load.bytes) == (0, 0), f"seed {seed}"
    return settled, len(escalated) - settled


def test_every_conflict_has_one_end_whatever_the_order() -> None:
    found = [check(seed) for seed in range(SEEDS)]
    # Worth something only if there are both.
    assert sum(settled for settled, _ in found) > 100
    assert sum(expired for _, expired in found) > 100


@pytest.mark.parametrize("seed", range(3))
def test_a_seed_is_the_same_again(seed: int) -> None:
    assert Chances(seed).run().decisions == Chances(seed).run().decisions
