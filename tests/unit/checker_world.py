"""A log of one good task, made by hand, for the checker's own tests: task, assignments, panel,
answers, decision and commits, in the order and at the times of an honest run.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import ParseDict

from tests.chaos.checker.evidence import Evidence, OffsetCommit, Place, Seen
from tests.chaos.checker.partitions import partition_of
from tests.chaos.checker.wire import messages

AGENTS = ("ann", "bob", "cid")
TASK, PANEL, OTHER = "t-1", "t-1@one", "t-1@two"
HOME = partition_of(TASK.encode(), 4)
START_MS, TIMEOUT_MS = 1_000_000, 5_000
DEADLINE_MS = START_MS + TIMEOUT_MS
DECIDED_MS = START_MS + 40
LATER_MS = DEADLINE_MS + 10
STATUS = {name: number for number, name in messages().names_of("DecisionStatus").items()}
LISTS = {
    "tasks": "tasks",
    "commands": "commands",
    "panel-events": "events",
    "decisions": "decisions",
    "control": "control",
    "dead-letters": "letters",
}


def make(name: str, fields: Mapping[str, Any]) -> Any:
    """A message of the contracts from plain values."""
    return ParseDict(dict(fields), messages().kind(name)())


class World:
    """Evidence under construction. `at_ms` of a record defaults to one more than the last."""

    def __init__(self) -> None:
        self.evidence = Evidence(silent_permille=0)
        self._now_ms = START_MS
        self._next: dict[tuple[str, int], int] = {}

    def put(self, topic: str, message: Any, **how: Any) -> Seen:
        """Append a message (or bytes that are none) to `topic`; `how`: key, partition, at_ms."""
        self._now_ms = how.get("at_ms", self._now_ms + 1)
        number = how.get("partition", HOME if topic in ("panel-events", "decisions") else 0)
        offset = self._next.get((topic, number), 0)
        self._next[topic, number] = offset + 1
        value = message if isinstance(message, bytes) else message.SerializeToString()
        parsed = None if isinstance(message, bytes) else message
        key = how.get("key", TASK.encode())
        place = Place(f"comitia.{topic}.v1", number, offset)
        seen = Seen(place, self._now_ms, key, value, parsed)
        getattr(self.evidence, LISTS.get(topic, "inboxes")).append(seen)
        return seen

    def task(self, text: str = "Which?", task_id: str = TASK) -> Seen:
        return self.put("tasks", make("Task", task(text, task_id)), key=task_id.encode())

    def assign(self, panel_id: str = PANEL) -> None:
        """One assignment in every agent's inbox."""
        for seat, agent in enumerate(AGENTS):
            fields = {
                "id": f"{panel_id}.{seat}",
                "panelId": panel_id,
                "seat": seat,
                "round": 1,
                "task": task(),
                "deadlineMs": DEADLINE_MS,
                "agent": agent,
            }
            self.put(f"inbox.{agent}", make("Assignment", fields))

    def open(self, panel_id: str = PANEL) -> Seen:
        """PanelOpened with a seat for every agent."""
        numbers = range(len(AGENTS))
        opened = {
            "panelId": panel_id,
            "task": task(),
            "seats": [{"seat": n, "agent": AGENTS[n]} for n in numbers],
            "assignments": [{"id": f"{panel_id}.{n}", "seat": n, "round": 1} for n in numbers],
            "deadlineMs": DEADLINE_MS,
            "taskAppendedMs": START_MS,
        }
        return self.say({"panelOpened": opened})

    def say(self, event: Mapping[str, Any], **how: Any) -> Seen:
        """An event of the task."""
        return self.put("panel-events", make("PanelEvent", {"taskId": TASK, **event}), **how)

    def answer(self, seat: int, option: str = "a", panel_id: str = PANEL, **how: Any) -> Seen:
        fields = {
            "assignmentId": f"{panel_id}.{seat}",
            "agent": AGENTS[seat],
            "value": {"optionId": option},
            "deadlineMs": DEADLINE_MS,
        }
        return self.say({"answer": fields}, **how)

    def decide(self, decision: Mapping[str, Any], **how: Any) -> Seen:
        return self.put("decisions", make("Decision", decision), **how)

    def commit(self, service: str, topic: str, place: tuple[int, int], **how: Any) -> None:
        """`place`: partition and offset; `how`: metadata, at_ms."""
        at_ms = how.get("at_ms", self._now_ms)
        commit = OffsetCommit(
            f"comitia.{service}", f"comitia.{topic}.v1", *place, how.get("metadata", ""), at_ms
        )
        self.evidence.commits.append(commit)


def task(text: str = "Which?", task_id: str = TASK) -> dict[str, Any]:
    """A choice between a and b."""
    options = [{"id": "a"}, {"id": "b"}]
    return {
        "id": task_id,
        "input": {"text": text},
        "timeoutMs": TIMEOUT_MS,
        "format": {"choice": {"options": options}},
    }


def decision(status: str = "DECIDED", options: str = "aab", value: str = "a") -> dict[str, Any]:
    """The decision of the good task; `options`: the vote of each seat in order."""
    fields: dict[str, Any] = {
        "taskId": TASK,
        "status": STATUS[status],
        "panelId": PANEL,
        "delivery": 2,
        "ballots": [
            {
                "seat": seat,
                "agent": AGENTS[seat],
                "round": 1,
                "assignmentId": f"{PANEL}.{seat}",
                "value": {"optionId": option},
            }
            for seat, option in enumerate(options)
        ],
    }
    if value:
        fields["value"] = {"optionId": value}
    return fields


def routed(options: str = "aab") -> World:
    """A task, its panel, and the answers that `options` names; not decided."""
    world = World()
    world.task()
    world.assign()
    world.open()
    for seat, option in enumerate(options):
        world.answer(seat, option)
    return world


def good() -> World:
    """An honest run of one task, with a commit of every group at its end."""
    world = routed()
    world.decide(decision(), at_ms=DECIDED_MS)
    world.commit("aggregator", "panel-events", (HOME, 4), metadata="1", at_ms=DECIDED_MS + 10)
    world.commit("router", "tasks", (0, 1), at_ms=DECIDED_MS + 10)
    for agent in AGENTS:
        world.commit(f"agent.{agent}", f"inbox.{agent}", (0, 1), at_ms=DECIDED_MS + 10)
    world.evidence.manifest = [{"id": TASK, "kind": "plain"}]
    world.evidence.plain_decisions = 0
    return world


def end(world: World, **fields: object) -> World:
    """`world` with a decision like the good one but for `fields`."""
    world.decide({**decision(), **fields}, at_ms=LATER_MS)
    return world


def with_ballot(world: World, options: str = "aab", **fields: object) -> World:
    """`world` decided with a first ballot like the good one but for `fields`."""
    made = decision(options=options)
    made["ballots"][0].update(fields)
    return end(world, ballots=made["ballots"])


def opened_twice(options: str = "aab") -> World:
    """Two panels, the second answered."""
    world = routed("")
    world.assign(OTHER)
    world.open(OTHER)
    for seat, option in enumerate(options):
        world.answer(seat, option, OTHER)
    return world


def letter(world: World, topic: str, offset: int, **fields: object) -> None:
    made = {"topic": f"comitia.{topic}.v1", "offset": offset, "key": "", "value": "", **fields}
    world.put("dead-letters", make("DeadLetter", made))


def poisoned() -> World:
    """A task of no protobuf, refused, with its letter."""
    world = World()
    poison = world.put("tasks", b"\xff\xff")
    letter(world, "tasks", poison.offset, key="dC0x", value="//8=", taskId=TASK)
    world.say({"taskRefused": {"status": STATUS["REJECTED"]}})
    return world
