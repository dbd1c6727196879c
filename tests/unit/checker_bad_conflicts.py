"""Bad logs of rounds, revisions and stages, beside those of checker_bad_logs."""

from collections.abc import Callable

from tests.unit.checker_world import (
    DEADLINE_MS,
    DECIDED_MS,
    LATER_MS,
    PANEL,
    START_MS,
    STATUS,
    TASK,
    TIMEOUT_MS,
    World,
    decision,
    end,
    make,
    routed,
    task,
)

# A twentieth of its time, which a task's stages leave to its decision.
RESERVE_MS = TIMEOUT_MS // 20


def escalated(expires_ms: int = LATER_MS + 5_000) -> World:
    """Left to a person; its decision stands at offset 0."""
    world = routed("ab")
    left = {"expiresMs": expires_ms}
    world.decide(
        {**decision("ESCALATED", "ab", ""), "escalation": left, "decidedBy": ""}, at_ms=DECIDED_MS
    )
    return world


def settled(world: World, **settlement: object) -> World:
    """`world` with a revision for b."""
    fields = {**decision("DECIDED", "", "b"), "revision": 1, "settlement": settlement}
    world.decide(fields, at_ms=LATER_MS)
    return world


def verdict(world: World, option: str = "b") -> World:
    said = {"taskId": TASK, "value": {"optionId": option}, "by": "ann"}
    world.say({"verdict": said}, at_ms=DECIDED_MS + 5)
    return world


def round_twice() -> World:
    world = routed()
    for _ in range(2):
        world.say({"roundOpened": {"panelId": PANEL, "round": 2, "deadlineMs": DEADLINE_MS}})
    return end(world)


def stage_twice() -> World:
    world = routed()
    for _ in range(2):
        world.say({"stageOpened": {"stage": "solve", "attempt": 1, "childId": f"{TASK}:solve:1"}})
    return end(world)


def stage_expired(at_ms: int, stage_at_ms: int | None = None) -> World:
    """A task of one stage that is EXPIRED at `at_ms`, its stage, if it was opened, before it."""
    world = World()
    world.task()
    staged = {**task(), "policy": {"stages": [{"name": "solve"}]}}
    times = {"deadlineMs": DEADLINE_MS, "taskAppendedMs": START_MS}
    world.say({"panelOpened": {"panelId": PANEL, "task": staged, **times}})
    if stage_at_ms is not None:
        child = {"taskId": f"{TASK}:solve:1", "status": STATUS["EXPIRED"]}
        world.say({"stageOpened": {"stage": "solve", "attempt": 1, "childId": child["taskId"]}})
        panel = {**times, "deadlineMs": stage_at_ms, "task": {**task(), "parentId": TASK}}
        event = {"taskId": child["taskId"], "panelOpened": {"panelId": "one", **panel}}
        world.put("panel-events", make("PanelEvent", event))
        world.decide({**child, "panelId": "one"}, at_ms=stage_at_ms)
    world.decide(decision("EXPIRED", "", ""), at_ms=at_ms)
    return world


BAD_CONFLICTS: tuple[tuple[str, Callable[[], World]], ...] = (
    ("round.twice", round_twice),
    ("stage.twice", stage_twice),
    ("decision.too-early", lambda: stage_expired(DEADLINE_MS - RESERVE_MS - 1)),
    ("decision.too-early", lambda: stage_expired(DECIDED_MS, DECIDED_MS + 1)),
    ("revision.unfounded", lambda: settled(end(routed()), by="ann")),
    ("revision.unfounded", lambda: settled(escalated(), by="ann")),
    ("revision.unfounded", lambda: settled(escalated(), expired=True)),
    ("revision.unfounded", lambda: settled(verdict(escalated(), "a"), by="ann")),
    ("conflict.left-open", lambda: verdict(escalated())),
)
