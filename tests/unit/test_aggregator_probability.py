"""The probability in a decision is the one that `learned.decide` gives for the same ballots and
weights, fitted as the learner fits them; and a task that names a probability as enough is decided
by the first ballot that reaches it, not before and not later.
"""

import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus import learned, learning
from comitia.consensus.ballots import Ballot
from comitia.consensus.weights import SkillWeights, voter_of
from comitia.effects import StopWork
from comitia.v1.answer_pb2 import OptionProbability
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.policy_pb2 import METHOD_LEARNED, METHOD_UNSPECIFIED, Policy
from tests.sim.events import answered, make_answer, make_panel, make_task, opened, policy
from tests.sim.folding import Fold

OPTIONS = "abc"
SEATS = 5
VOTERS = [voter_of(f"a{seat}", "") for seat in range(SEATS)]


def drawn(chance: random.Random) -> learning.Example:
    """a0 is often right, the others less and less; the last two say how sure they are."""
    correct = chance.choice(OPTIONS)
    votes = {}
    for place, voter in enumerate(VOTERS):
        choice = correct if chance.random() < 0.85 - 0.1 * place else chance.choice(OPTIONS)
        sure = chance.choice([0.5, 0.75, 1.0])
        shares = {o: sure if o == choice else (1.0 - sure) / 2 for o in OPTIONS}
        votes[voter] = Ballot(choice, shares if place > 2 else {}, voter=voter)
    return learning.Example(votes, tuple(OPTIONS), correct)


@cache
def fitted() -> SkillWeights:
    chance = random.Random(1)
    examples = [drawn(chance) for _ in range(120)]
    weights = learning.fit(examples, dict.fromkeys(VOTERS, 0.7), len(OPTIONS))
    assert weights.learned
    assert any(weights.of(voter).probability_weight for voter in VOTERS)
    return weights


def answers(ballots: dict[str, Ballot]) -> dict[str, PanelEvent]:
    events = {}
    for seat, voter in enumerate(VOTERS):
        answer = make_answer(f"p1.{seat}.0.1", ballots[voter].choice)
        for option, probability in ballots[voter].probabilities.items():
            answer.probabilities.append(
                OptionProbability(option_id=option, probability=probability)
            )
        events[voter] = answered(answer)
    return events


def panel(asked: Policy) -> PanelEvent:
    return opened(make_panel(make_task(options=OPTIONS, policy=asked), seats=SEATS))


@given(st.randoms(use_true_random=False), st.sampled_from((METHOD_LEARNED, METHOD_UNSPECIFIED)))
def test_the_probability_of_a_decision_is_that_of_the_learned_vote(
    chance: random.Random, method: int
) -> None:
    ballots = dict(drawn(chance).votes)
    ballots[chance.choice(VOTERS)] = Ballot(None)
    events = list(answers(ballots).values())
    chance.shuffle(events)
    decision = Fold(fitted()).say(panel(policy(1, method)), *events).decision  # type: ignore[arg-type]
    outcome = learned.decide(ballots.values(), OPTIONS, fitted())
    assert decision.HasField("calibrated_probability") == (outcome.probability is not None)
    if outcome.winner is not None:
        assert decision.value.option_id == outcome.winner
        assert decision.calibrated_probability == outcome.probability
        assert decision.margin == outcome.margin


@given(
    st.randoms(use_true_random=False),
    st.sampled_from((0.5, 0.7, 0.8, 0.9, 0.95, 1.0)),
    st.integers(1, 4),
)
def test_the_first_ballot_that_reaches_the_target_decides(
    chance: random.Random, target: float, quorum: int
) -> None:
    asked = policy(quorum, METHOD_LEARNED, wait_for_all=False)
    asked.probability_target = target
    ballots = dict(drawn(chance).votes)
    events = answers(ballots)
    order = chance.sample(VOTERS, SEATS)
    fold = Fold(fitted()).say(panel(asked))
    for said in range(1, SEATS + 1):
        assert not fold.effects
        fold.say(events[order[said - 1]])
        cast = [ballots[voter] for voter in order[:said]]
        outcome = learned.decide(cast, OPTIONS, fitted())
        sure = (outcome.probability or 0.0) >= target
        certain = learned.settled(cast, OPTIONS, fitted(), order[said:])
        assert bool(fold.effects) == ((said >= quorum and (sure or certain)) or said == SEATS)
        if fold.effects:
            break
    decision = fold.decision
    assert decision.calibrated_probability == (outcome.probability or 0.0)
    assert sorted(seat.agent for seat in decision.missing) == sorted(
        voter.rstrip("@") for voter in order[said:]
    )
    assert bool(fold.of(StopWork)) == (said < SEATS)
    told = f"as likely as the task asks for ({target:.2f})" in decision.explanation
    assert told == (said < SEATS and sure and not certain)


@pytest.mark.parametrize("learned_from_feedback", [True, False])
def test_without_a_calibrated_probability_nothing_is_likely_enough(
    learned_from_feedback: bool,
) -> None:
    """However heavy the weights: only a temperature makes a share a probability."""
    heavy = fitted()
    bare = SkillWeights(1, heavy.voters, heavy.prior, 0.0, learned_from_feedback)
    asked = policy(1, METHOD_LEARNED, wait_for_all=False)
    asked.probability_target = 0.4
    events = answers(dict.fromkeys(VOTERS, Ballot("a")))
    assert not Fold(bare).say(panel(asked), events[VOTERS[-1]]).effects
    assert Fold(heavy).say(panel(asked), events[VOTERS[-1]]).effects
