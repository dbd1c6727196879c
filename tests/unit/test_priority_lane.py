"""A second inbox for tasks of high priority, from the card that asks for it to the assignments."""

import asyncio
from pathlib import Path

import pytest

from comitia.effects import Publish
from comitia.errors import ConfigError
from comitia.testing import LocalLog, ManualClock
from comitia.topics import Names
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.task_pb2 import PRIORITY_HIGH, PRIORITY_NORMAL, Priority
from comitia_agent.card import read_card
from comitia_cli.client.agents import read_agent_card
from comitia_router.handler import Router
from comitia_router.inboxes import Inboxes
from tests.sim.events import make_task
from tests.unit.cli_support import Panel
from tests.unit.test_agent_card import CARD, write
from tests.unit.test_router_handler import NAMES, make_router, route


def inboxes_of(router: Router, priority: Priority) -> list[str]:
    task = make_task()
    task.priority = priority
    effects = [one for one in route(router, task) if isinstance(one, Publish)]
    return [one.topic for one in effects if isinstance(one.message, Assignment)]


def test_high_tasks_go_to_the_second_inbox_of_agents_that_have_one() -> None:
    router = make_router(1)
    fast = AgentCard(
        name="fast", version=1, skills=["sentiment"], no_heartbeat=True, priority_lane=True
    )
    router.agents.learn(fast)
    router.agents.open_inbox("fast")
    normal = ["x.comitia.inbox.a0.v1", "x.comitia.inbox.fast.v1"]
    # Before its second inbox is there, its first one serves.
    assert inboxes_of(router, PRIORITY_HIGH) == normal
    router.agents.open_inbox("fast", high=True)
    assert inboxes_of(router, PRIORITY_NORMAL) == normal
    assert inboxes_of(router, PRIORITY_HIGH) == [normal[0], "x.comitia.inbox.fast.high.v1"]


def test_a_higher_version_without_the_lane_takes_it_away() -> None:
    router = make_router(1, priority_lane=True)
    router.agents.open_inbox("a0", high=True)
    plain = AgentCard(name="a0", version=2, skills=["sentiment"], no_heartbeat=True)
    router.agents.learn(plain)
    assert inboxes_of(router, PRIORITY_HIGH) == ["x.comitia.inbox.a0.v1"]
    assert router.agents.without_inbox() == []


def test_the_router_makes_the_inboxes_that_cards_ask_for() -> None:
    log = LocalLog(ManualClock())
    router = make_router(0)
    for name, lane in (("plain", False), ("fast", True)):
        router.agents.learn(
            AgentCard(name=name, version=1, skills=["sentiment"], priority_lane=lane)
        )
    asyncio.run(Inboxes(log, NAMES, router.agents, True, -1).refresh())
    assert router.agents.without_inbox() == []
    made = asyncio.run(
        log.describe(
            [NAMES.inbox(name, high=high) for name in ("plain", "fast") for high in (False, True)]
        )
    )
    assert sorted(made) == [
        "x.comitia.inbox.fast.high.v1",
        "x.comitia.inbox.fast.v1",
        "x.comitia.inbox.plain.v1",
    ]


def test_an_agents_card_says_it_and_keeps_its_digest(tmp_path: Path) -> None:
    plain = read_card(write(tmp_path, CARD))
    fast = read_card(write(tmp_path, CARD + "priority_lane: true\n"))
    assert not plain.message("m").priority_lane
    assert fast.message("m").priority_lane
    # It changes how work arrives and not what is answered; and cards that stand stay the same.
    assert plain.digest() == fast.digest()
    with pytest.raises(ConfigError, match="priority_lane"):
        read_card(write(tmp_path, CARD + "priority_lane: often\n"))


def test_comitia_makes_and_lists_both_inboxes(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text("name: mine\nversion: 1\nskills: [answer]\npriority_lane: true\n")
    assert read_agent_card(path).priority_lane
    panel = Panel()
    assert panel.call("agents", "add", str(path)).exit_code == 0
    names = Names()
    both = [names.inbox("mine"), names.inbox("mine", high=True)]
    assert sorted(asyncio.run(panel.describe(both))) == sorted(both)
    listed = panel.call("topics").stdout
    assert all(name in listed for name in both)
    assert panel.call("agents", "remove", "mine").exit_code in (0, 2)
