"""Which card of an agent holds, and when an agent counts as alive."""

import pytest

from comitia.cards import digest_of
from comitia.effects import Recorded
from comitia.errors import Poison
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia_router.agents import INTERVAL_MS_MAX, AgentTable


def make_card(name: str = "ann", version: int = 1, skill: str = "sentiment") -> AgentCard:
    return AgentCard(name=name, version=version, skills=[skill])


def make_beat(instance: str = "i1", leaving: bool = False, interval_ms: int = 100) -> Heartbeat:
    return Heartbeat(agent="ann", instance=instance, interval_ms=interval_ms, leaving=leaving)


def skills(table: AgentTable) -> list[str]:
    return [card.skills[0] for card in table.cards()]


def test_a_higher_version_supersedes_in_any_order() -> None:
    for versions in ((1, 2), (2, 1)):
        table = AgentTable()
        for version in versions:
            table.learn(make_card(version=version, skill=f"v{version}"))
        assert skills(table) == ["v2"]


def test_the_same_version_with_another_content_is_refused_and_the_first_holds() -> None:
    table = AgentTable()
    table.learn(make_card())
    table.learn(make_card())
    with pytest.raises(Poison, match="raise the version") as caught:
        table.learn(make_card(skill="other"))
    assert caught.value.reason == "CARD_CONFLICT"
    assert digest_of(make_card()) in str(caught.value)
    assert skills(table) == ["sentiment"]


@pytest.mark.parametrize(
    "card",
    [
        AgentCard(),
        make_card(name="Ann"),
        make_card(name="x" * 65),
        make_card(version=0),
        make_card(skill=" "),
        AgentCard(name="ann", version=1),
    ],
)
def test_a_card_that_cannot_be_used_is_refused(card: AgentCard) -> None:
    table = AgentTable()
    with pytest.raises(Poison) as caught:
        table.learn(card)
    assert caught.value.reason == "INVALID_CARD"
    assert skills(table) == []


def test_a_tombstone_takes_its_card_out_and_no_other() -> None:
    table = AgentTable()
    first, second = make_card(skill="v1"), make_card(version=2, skill="v2")
    for card in (first, second):
        table.on_card("", Recorded(card, "agents", 0, 0, 0))
    table.on_card(f"ann@2@{digest_of(first)}", None)
    for nonsense in ("nonsense", "ann", "ann@@", "ann@3@", "ann@²@x", f"ann@{'9' * 5_000}@x"):
        table.on_card(nonsense, None)
    assert skills(table) == ["v2"]
    table.on_card(f"ann@2@{digest_of(second)}", None)
    assert skills(table) == ["v1"]


def test_alive_until_three_intervals_are_missed() -> None:
    table = AgentTable()
    card = make_card()
    table.learn(card)
    table.open_inbox("ann")
    assert not table.alive(card, 0)
    table.beat(make_beat(), 1_000)
    assert table.alive(card, 1_300)
    assert not table.alive(card, 1_301)


def test_an_agent_lives_while_one_of_its_processes_does() -> None:
    table = AgentTable()
    card = make_card()
    table.learn(card)
    table.open_inbox("ann")
    table.beat(make_beat("i1"), 1_000)
    table.beat(make_beat("i2"), 1_000)
    table.beat(make_beat("i1", leaving=True), 1_010)
    assert table.alive(card, 1_020)
    table.beat(make_beat("i2", leaving=True), 1_020)
    assert not table.alive(card, 1_020)


def test_an_agent_without_heartbeat_is_alive_while_its_card_stands() -> None:
    table = AgentTable()
    card = make_card()
    card.no_heartbeat = True
    table.learn(card)
    table.open_inbox("ann")
    assert table.alive(card, 10**12)


def test_an_absurd_interval_does_not_keep_a_dead_agent_alive() -> None:
    table = AgentTable()
    card = make_card()
    table.learn(card)
    table.open_inbox("ann")
    table.on_heartbeat("ann", Recorded(make_beat(interval_ms=2**32 - 1), "heartbeats", 0, 0, 0))
    assert not table.alive(card, 3 * INTERVAL_MS_MAX + 1)


def test_heartbeats_of_other_services_are_passed_over() -> None:
    table = AgentTable()
    table.on_heartbeat("router", Recorded(Heartbeat(service="router"), "heartbeats", 0, 0, 0))
    table.on_heartbeat("router", None)
    assert skills(table) == []
