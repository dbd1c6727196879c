"""What happens in a simulation, made from its seed: who runs, what users publish, what breaks when.

In comes a seed; out comes a plan that can be read before it is run. Times are milliseconds of
virtual time from the beginning; everything is healed at `heal_ms`.
"""

from dataclasses import dataclass
from random import Random

from comitia.ports import Outgoing
from comitia.runtime.partitioner import partition_of
from comitia.v1.command_pb2 import Command
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.policy_pb2 import Policy
from comitia.v1.task_pb2 import PRIORITY_HIGH, Task
from tests.sim.plan_conflict import in_stages, with_steps
from tests.sim.processes import NAMES

PARTITIONS = 2
WEATHER = ("storm", "outage")
HARMS = (
    "crash",
    "die in a call",
    "die in a call",
    "restart",
    "freeze",
    "freeze",
    "deafen",
    "crash all",
)


@dataclass(frozen=True, slots=True)
class Publishing:
    """A record that a user writes. `kind` is for the reader of a trace."""

    at_ms: int
    kind: str
    record: Outgoing


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind`: crash, restart, freeze, deafen, "die in a call" (of `target`: in one of its next
    appends or commits), "crash all" (of a service), storm, outage.
    """

    at_ms: int
    kind: str
    target: str
    for_ms: int


@dataclass(frozen=True, slots=True)
class Plan:
    """`agents`: name -> whether it has a lane for tasks of high priority. `settles`: share of the
    conflicts that a person settles, [0, 1].
    """

    seed: int
    exactly_once: bool
    static: bool
    routers: int
    aggregators: int
    agents: dict[str, bool]
    agent_processes: int
    slowest_ms: int
    slow: float
    slow_ms: int
    lost: float
    publishings: tuple[Publishing, ...]
    faults: tuple[Fault, ...]
    heal_ms: int
    settles: float = 0.0

    def processes(self) -> list[tuple[str, str]]:
        """(service, name) of each; an agent's service is agent.<name>."""
        places = [("router", f"router{n}") for n in range(self.routers)]
        places += [("aggregator", f"aggregator{n}") for n in range(self.aggregators)]
        for agent in self.agents:
            places += [(f"agent.{agent}", f"{agent}-{n}") for n in range(self.agent_processes)]
        return places


def make(seed: int) -> Plan:
    chance = Random(f"plan {seed}")
    plan = Plan(
        seed=seed,
        exactly_once=chance.random() < 0.9,
        static=chance.random() < 0.4,
        routers=chance.choice([1, 2]),
        aggregators=chance.choice([1, 2, 2, 3]),
        agents={f"a{n}": chance.random() < 0.3 for n in range(chance.choice([2, 3, 3]))},
        agent_processes=chance.choice([1, 1, 2]),
        slowest_ms=chance.choice([50, 500, 2_000]),
        slow=chance.choice([0.1, 0.3, 0.6, 0.9]),
        slow_ms=chance.choice([40, 40, 40, 600]),
        lost=chance.choice([0.0, 0.0, 0.01, 0.03, 0.1]),
        publishings=tuple(_publishings(chance)),
        faults=(),
        heal_ms=7_000,
        settles=chance.choice([0.0, 0.5, 1.0]),
    )
    return _with_faults(plan, chance)


def _with_faults(plan: Plan, chance: Random) -> Plan:
    places = plan.processes()
    owners = [place for place in places if place[0] == "aggregator"]
    faults = []
    for _ in range(chance.choice([0, 2, 4, 4, 6, 8])):
        at_ms = chance.randrange(300, plan.heal_ms - 500)
        kind = chance.choice((*HARMS, *WEATHER))
        service, target = chance.choice(owners if chance.random() < 0.5 else places)
        # Beyond and below the session timeout of 3 s.
        for_ms = chance.choice([50, 400, 1_500, 4_500])
        if kind in WEATHER:
            target, for_ms = "", min(for_ms, 1_500)
        faults.append(Fault(at_ms, kind, service if kind == "crash all" else target, for_ms))
    ordered = tuple(sorted(faults, key=lambda fault: fault.at_ms))
    values = {name: getattr(plan, name) for name in Plan.__slots__}
    return Plan(**{**values, "faults": ordered})


def _publishings(chance: Random) -> list[Publishing]:
    found: list[Publishing] = []
    tasks = [_task(chance, f"t{n}") for n in range(chance.randrange(4, 13))]
    for task in tasks:
        at_ms = chance.randrange(0, 5_000)
        found.append(_publish(at_ms, "task", "tasks", task.id, task))
        again_ms = at_ms + chance.randrange(0, 3_000)
        kind = chance.random()
        if kind < 0.15:
            found.append(_publish(again_ms, "duplicate", "tasks", task.id, task))
        elif kind < 0.25:
            other = Task()
            other.CopyFrom(task)
            other.input.text = "Another question?"
            found.append(_publish(again_ms, "other content", "tasks", task.id, other))
        elif kind < 0.35:
            command = Command()
            command.cancel.task_id = task.id
            early_ms = max(0, at_ms + chance.randrange(-1_000, 3_000))
            found.append(_publish(early_ms, "cancel", "commands", task.id, command))
        elif kind < 0.4:
            found.append(_poison(again_ms, "panel-events", task.id))
    for n in range(chance.choice([0, 0, 1, 2])):
        at_ms = chance.randrange(0, 5_000)
        entity = chance.choice(["tasks", "tasks", "commands", "panel-events"])
        key = f"poison{n}" if chance.random() < 0.5 else "not an id!"
        found.append(_poison(at_ms, entity, key))
    if chance.random() < 0.2:
        bad = _task(chance, "refused")
        bad.ClearField("format")
        found.append(_publish(chance.randrange(0, 5_000), "refused", "tasks", bad.id, bad))
    return sorted(found, key=lambda one: one.at_ms)


def _task(chance: Random, task_id: str) -> Task:
    task = Task(id=task_id, skill="s", timeout_ms=chance.choice([1_500, 3_000, 6_000]))
    task.input.text = "Which?"
    answer_format = AnswerFormat()
    for option in "abc":
        answer_format.choice.options.add(id=option)
    task.format.CopyFrom(answer_format)
    quorum, samples = chance.choice([0, 0, 0, 1, 3]), chance.choice([0, 0, 2])
    task.policy.CopyFrom(Policy(quorum=quorum, samples=samples))
    task.policy.wait_for_all = chance.random() < 0.3
    if chance.random() < 0.3:
        task.priority = PRIORITY_HIGH
    kind = chance.random()
    if kind < 0.3:
        with_steps(chance, task.policy)
    elif kind < 0.45:
        in_stages(chance, task)
    return task


def _publish(at_ms: int, kind: str, entity: str, key: str, message: Task | Command) -> Publishing:
    record = Outgoing(NAMES.topic(entity), message.SerializeToString(), key.encode())
    return Publishing(at_ms, kind, record)


def _poison(at_ms: int, entity: str, key: str) -> Publishing:
    """Bytes that are no message. In panel-events they stand where their task's log is."""
    where = partition_of(key, PARTITIONS) if entity == "panel-events" else None
    record = Outgoing(NAMES.topic(entity), b"\xff\xff\xff poison", key.encode(), partition=where)
    return Publishing(at_ms, "poison", record)
