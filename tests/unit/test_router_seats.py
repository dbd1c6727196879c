"""Who sits on a panel: drawn by lot or by weight, with the probabilities that the seats name, and
shadows beside it.
"""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus.weights import SkillWeights, VoterWeight
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.decision_pb2 import DECISION_STATUS_NO_AGENT
from comitia.v1.panel_event_pb2 import Seat
from comitia.v1.policy_pb2 import SELECTION_WEIGHTED, Policy
from comitia.v1.task_pb2 import Task
from comitia_router.agents import AgentTable
from comitia_router.drawing import by_weight, inclusion
from comitia_router.limits import Limits
from comitia_router.seating import Refusal, seat
from tests.sim.events import make_task

DRAWS = 4_000
# An accuracy each; odds of 9, 4, 1.5, 1 and a quarter.
ACCURACIES = {"ann": 0.9, "bob": 0.8, "cat": 0.6, "dan": 0.5, "eve": 0.2}


def make_card(name: str, *, shadow: bool = False, digest: str = "") -> AgentCard:
    card = AgentCard(name=name, version=1, no_heartbeat=True, shadow=shadow)
    card.skills.append(make_task().skill)
    card.model.digest = digest
    return card


def make_weights(accuracies: dict[str, float]) -> SkillWeights:
    voters = {f"{name}@": VoterWeight(1.0, 0.0, known) for name, known in accuracies.items()}
    return SkillWeights(3, voters, VoterWeight(0.0, 0.0, 0.5), 1.0, True)


def table_of(*cards: AgentCard) -> AgentTable:
    table = AgentTable()
    for card in cards:
        table.learn(card)
        table.open_inbox(card.name)
    return table


def seated(
    cards: list[AgentCard], policy: Policy, weights: SkillWeights | None = None, task_id: str = "t"
) -> tuple[Seat, ...]:
    found = seat(make_task(task_id, policy=policy), table_of(*cards), Limits(), 0, weights)
    assert not isinstance(found, Refusal), found
    return found


@given(st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=12), st.integers(1, 12))
def test_probabilities_fill_the_seats_in_proportion_and_none_is_above_one(
    sizes: list[float], count: int
) -> None:
    found = inclusion(sizes, count)
    assert math.fsum(found) == pytest.approx(min(count, len(sizes)))
    assert all(0.0 < one <= 1.0 for one in found)
    rates = [one / size for one, size in zip(found, sizes, strict=True) if one < 1.0]
    assert rates == pytest.approx([rates[0]] * len(rates) if rates else [])


def test_agents_are_drawn_as_often_as_their_seats_say() -> None:
    cards = [make_card(name) for name in ACCURACIES]
    weights, drawn = make_weights(ACCURACIES), Counter[str]()
    named: dict[str, float] = {}
    for number in range(DRAWS):
        found = by_weight(cards, Task(id=f"t{number}"), 2, weights)
        assert len(found) == 2
        drawn.update(found.keys())
        named |= found
    # Nine of 15.75 are more than half, as two seats go: ann sits always, the rest share one seat.
    assert named == pytest.approx(
        {"ann": 1.0, "bob": 4 / 6.75, "cat": 1.5 / 6.75, "dan": 1 / 6.75, "eve": 0.25 / 6.75}
    )
    for name, probability in named.items():
        spread = math.sqrt(DRAWS * probability * (1.0 - probability))
        assert abs(drawn[name] - DRAWS * probability) <= 4.0 * spread


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=2, max_size=9),
    st.integers(1, 9),
    st.text(max_size=8),
)
def test_odd_accuracies_still_seat_a_panel(
    accuracies: list[float], count: int, task_id: str
) -> None:
    known = {f"a{number}": one for number, one in enumerate(accuracies)}
    cards = [make_card(name) for name in known]
    found = by_weight(cards, Task(id=task_id), count, make_weights(known))
    assert len(found) == min(count, len(cards))
    assert all(0.0 < one <= 1.0 for one in found.values())


def test_a_weighted_draw_says_why_and_a_new_model_goes_by_the_prior() -> None:
    cards = [make_card(name, digest="new" if name == "ann" else "") for name in ACCURACIES]
    policy = Policy(selection=SELECTION_WEIGHTED, seats_max=2)
    weights = make_weights(ACCURACIES)
    seats = [one for n in range(50) for one in seated(cards, policy, weights, f"t{n}")]
    # Four of 7.75 are more than half: bob sits always. Ann's odds are 1 of the other 3.75.
    anns = [one for one in seats if one.agent == "ann"]
    assert [one.probability for one in anns] == pytest.approx([1 / 3.75] * len(anns))
    assert "drawn by the odds of being right (accuracy 0.50, weights version 3)" in anns[0].reason
    unweighed = seated(cards, policy)
    assert "drawn by lot, 2 of 5 (the skill has no weights yet)" in unweighed[0].reason
    assert [one.probability for one in unweighed] == [0.4, 0.4]


def test_shadows_sit_beside_the_panel_and_take_nobodys_seat() -> None:
    cards = [make_card("ann"), make_card("bob"), make_card("sue", shadow=True, digest="m")]
    seats = seated(cards, Policy(seats_max=2))
    assert [(one.seat, one.agent, one.shadow) for one in seats] == [
        (0, "ann", False),
        (1, "bob", False),
        (2, "sue", True),
    ]
    assert seats[2].model_digest == "m"
    assert "shadow" in seats[2].reason
    assert [one.probability for one in seats] == [1.0, 1.0, 1.0]


def test_shadows_alone_are_no_panel() -> None:
    refused = seat(make_task(), table_of(make_card("sue", shadow=True)), Limits(), 0)
    assert isinstance(refused, Refusal)
    assert refused.status == DECISION_STATUS_NO_AGENT
    assert "are shadows, which are not counted (sue)" in refused.reason
