"""Bad logs of rounds, revisions and stages, beside those of checker_bad_logs."""

from collections.abc import Callable

from tests.unit.checker_world import (
    DEADLINE_MS,
    DECIDED_MS,
    LATER_MS,
    PANEL,
    TASK,
    World,
    decision,
    end,
    routed,
)


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


BAD_CONFLICTS: tuple[tuple[str, Callable[[], World]], ...] = (
    ("round.twice", round_twice),
    ("stage.twice", stage_twice),
    ("revision.unfounded", lambda: settled(end(routed()), by="ann")),
    ("revision.unfounded", lambda: settled(escalated(), by="ann")),
    ("revision.unfounded", lambda: settled(escalated(), expired=True)),
    ("revision.unfounded", lambda: settled(verdict(escalated(), "a"), by="ann")),
    ("conflict.left-open", lambda: verdict(escalated())),
)
