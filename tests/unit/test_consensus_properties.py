"""What every method promises, for every format that it takes: any order of the same ballots gives
the same outcome, odd numbers break nothing, and what is called settled stays.
"""

import json
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import pytest

from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.keys import json_key, number_key, ranking_key
from comitia.consensus.weights import SkillWeights, VoterWeight
from comitia.methods import FORMATS
from comitia.v1 import policy_pb2 as by
from comitia.v1.policy_pb2 import Method
from comitia_aggregator.methods import ROWS, WEIGHING, Votes

OPTIONS = ("a", "b", "c")
DOCUMENTS = (1, {"a": 1}, {"a": 2}, {"a": 1, "b": {"c": []}}, {"a": 2, "b": {"c": 0}}, [{"a": 1}])
ORDERS = ("a b c", "a c b", "b a c", "b c a", "c a b", "c b a", "a bc", "bc a", "ab c", "abc")

# What ballots say, by format: keys as the aggregator makes them.
SAYS: Mapping[str, Sequence[str]] = {
    "choice": OPTIONS,
    "text": ("yes", "yes it is", "no", "not at all", "?"),
    "number": tuple(map(number_key, (0.0, 1.0, 1.5, -2.0, 1e308, -1e308, 1e-9))),
    "ranking": tuple(ranking_key([list(tier) for tier in one.split()]) for one in ORDERS),
    "json": tuple(json_key(json.dumps(one)) for one in DOCUMENTS),
}
ALL = [(method, kind) for method in ROWS for kind in FORMATS[method]]
every = pytest.mark.parametrize(
    ("method", "kind"), ALL, ids=[f"{Method.Name(method)}-{kind}" for method, kind in ALL]
)

VOTERS = ("u", "v", "w", "x")
ODD = (math.nan, math.inf, -math.inf, -1.0, 0.0, 5e-324, 1.0, 1.5, 1e308)
ROUNDS = 150


# Better than chance, all of them.
GOOD = SkillWeights(
    1, {"u": VoterWeight(2.0, 0.1, 0.9)}, VoterWeight(1.0, 0.0, 0.7), 1.5, learned=True
)


class Chance(random.Random):
    """Draws what can come, with odd numbers in it; seeded, so that a failure comes again."""

    def __init__(self, method: Method, kind: str) -> None:
        super().__init__(f"{method} {kind}")
        self.kind = kind

    def number(self) -> float:
        return self.choice(ODD) if self.random() < 0.3 else self.random()

    def ballot(self, voter: str = "") -> Ballot:
        said = self.choice((None, SAYS[self.kind][0], self.choice(SAYS[self.kind])))
        certain = {self.choice(OPTIONS): 1.0}
        given = {option: self.number() for option in OPTIONS if self.random() < 0.8}
        given |= {"other": self.number()} if self.random() < 0.1 else {}
        confidence = self.choice((None, self.number()))
        probabilities = self.choice(({}, certain, given))
        near = (self.choice("ef"), self.choice((None, self.uniform(-1, 1))))
        return Ballot(said, probabilities, confidence, voter or self.choice(VOTERS), *near)

    def ballots(self, most: int) -> list[Ballot]:
        return [self.ballot() for _ in range(self.randint(0, most))]

    def panel(self) -> list[Ballot]:
        """Any ballots, or many bare ones that agree and a few others."""
        if self.random() < 0.5:
            return self.ballots(10)
        said = self.choice(SAYS[self.kind])
        agreed = [Ballot(said, voter=self.choice(VOTERS)) for _ in range(self.randint(2, 9))]
        return agreed + self.ballots(2)

    def weights(self) -> SkillWeights:
        known = {voter: self.weight() for voter in VOTERS if self.random() < 0.7}
        temperature = self.choice((1.0, self.number()))
        return SkillWeights(1, known, self.weight(), temperature, learned=True)

    def weight(self) -> VoterWeight:
        weight = self.choice((self.uniform(-1, 3), 1.0, self.number()))
        return VoterWeight(weight, self.choice((0.0, self.number())), self.number())


def votes(kind: str, given: Iterable[Ballot], weights: SkillWeights = GOOD) -> Votes:
    return Votes(tuple(given), OPTIONS if kind == "choice" else (), weights)


def said(*choices: str | None) -> list[Ballot]:
    return [Ballot(choice, voter="u") for choice in choices]


def check(outcome: Outcome, given: Sequence[Ballot]) -> None:
    """What an outcome promises of itself."""
    assert outcome.cast + outcome.abstained == len(given)
    assert outcome.winner is None or not outcome.tied
    assert list(outcome.tied) == sorted(set(outcome.tied))
    assert len(outcome.tied) != 1
    assert (outcome.winner is None and not outcome.tied) == (outcome.cast == 0)
    numbers = (outcome.margin, *outcome.shares.values(), outcome.probability or 0.0)
    assert all(0.0 <= number <= 1.0 for number in numbers)
    assert math.fsum(outcome.shares.values()) == pytest.approx(1.0 if outcome.cast else 0.0)
    assert outcome.winner is None or outcome.winner in outcome.shares
    assert not outcome.tied or outcome.margin == 0.0


def bits(outcome: Outcome) -> str:
    """repr() shows every bit of a float; the order of shares says nothing."""
    return repr(replace(outcome, shares=dict(sorted(outcome.shares.items()))))


@every
def test_any_order_of_arrival_gives_the_same_to_the_last_bit(method: Method, kind: str) -> None:
    chance = Chance(method, kind)
    for _ in range(ROUNDS):
        given, weights = chance.panel(), chance.weights()
        outcome = ROWS[method].decide(votes(kind, given, weights))
        check(outcome, given)
        for other in (chance.sample(given, len(given)), given[::-1]):
            assert bits(ROWS[method].decide(votes(kind, other, weights))) == bits(outcome)


@every
def test_all_ballots_twice_have_the_same_winner(method: Method, kind: str) -> None:
    chance = Chance(method, kind)
    for _ in range(ROUNDS):
        given, weights = chance.panel(), chance.weights()
        once = ROWS[method].decide(votes(kind, given, weights))
        twice = ROWS[method].decide(votes(kind, given * 2, weights))
        assert (twice.cast, twice.abstained) == (2 * once.cast, 2 * once.abstained)
        # Of twice as many numbers another part than before may be cut off, unless it is a fifth.
        if method != by.METHOD_TRIMMED_MEAN or once.cast % 5 == 0:
            assert (twice.winner, twice.tied) == (once.winner, once.tied)


@every
def test_whatever_is_still_said_leaves_in_place_what_is_settled(method: Method, kind: str) -> None:
    chance, seen = Chance(method, kind), 0
    for _ in range(2 * ROUNDS):
        now, weights = chance.panel(), chance.weights()
        out = [chance.choice(VOTERS) for _ in range(chance.randint(0, 3))]
        of = votes(kind, now, weights)
        if not ROWS[method].settled(of, out):
            continue
        seen += 1
        winner = ROWS[method].decide(of).winner
        assert winner is not None
        courses = [[chance.ballot(voter) for voter in out] for _ in range(3)]
        for count, choice in product(range(1, len(out) + 1), SAYS[kind]):
            courses.append([Ballot(choice, voter=voter) for voter in out[:count]])
        for more in courses:
            assert ROWS[method].decide(votes(kind, now + more, weights)).winner == winner
    assert seen > 20


@every
def test_a_unanimous_panel_of_any_size_says_what_all_say(method: Method, kind: str) -> None:
    row = ROWS[method]
    for choice in SAYS[kind]:
        for seats in (1, 2, 3, 5, 16):
            given = [Ballot(choice, voter=voter) for voter in (VOTERS * 4)[:seats]]
            of = votes(kind, [*given, Ballot(None)])
            outcome = row.decide(of)
            check(outcome, of.ballots)
            assert (outcome.winner, outcome.cast) == (choice, seats)
            assert row.settled(of, [])
    first = votes(kind, [Ballot(SAYS[kind][0], voter=str(seat)) for seat in range(9)])
    never = (by.METHOD_WEIGHTED_MEAN, by.METHOD_MINIMUM_BAYES_RISK, by.METHOD_ATTENTION)
    assert row.settled(first, ["w"]) == (method not in never)
    assert not row.settled(first, [str(seat) for seat in range(20, 60)])


@every
def test_nobody_and_abstentions_alone_say_nothing(method: Method, kind: str) -> None:
    for silent in ([], said(None), said(None, None, None)):
        of = votes(kind, silent)
        assert ROWS[method].decide(of) == Outcome(None, (), {}, 0.0, 0, len(silent))
        assert not ROWS[method].settled(of, [])
        assert not ROWS[method].settled(of, ["u"])


@every
def test_numbers_that_are_none_count_as_not_given(method: Method, kind: str) -> None:
    chance = Chance(method, kind)
    for _ in range(ROUNDS):
        given = [chance.choice(SAYS[kind]) for _ in range(chance.randint(0, 6))]
        plain = ROWS[method].decide(votes(kind, said(*given)))
        for unusable in (math.nan, math.inf, -1.0, 1.5):
            spoiled = [Ballot(one, {"a": unusable, "b": 0.5}, unusable, "u") for one in given]
            assert ROWS[method].decide(votes(kind, spoiled)) == plain


@every
def test_what_ballots_weighed_can_be_shown(method: Method, kind: str) -> None:
    weigh, chance = ROWS[method].weigh, Chance(method, kind)
    assert (weigh is None) == (method not in (*WEIGHING, by.METHOD_ATTENTION))
    for _ in range(ROUNDS if weigh is not None else 0):
        of = votes(kind, chance.panel(), chance.weights())
        for ballot in of.ballots:
            if weigh is not None and ballot.choice is not None:
                assert math.isfinite(weigh(of, ballot))


@every
def test_where_nobody_weighs_anything_nothing_leads(method: Method, kind: str) -> None:
    """A mean needs weights to divide by: there all weigh the same."""
    if method not in WEIGHING:
        return
    chance = 1 / 3 if kind == "choice" else 0.5
    nothing = SkillWeights(1, {}, VoterWeight(0.0, 0.0, chance), 1.0, learned=True)
    first, second = SAYS[kind][:2]
    of = votes(kind, said(first, first, first, second), nothing)
    outcome = ROWS[method].decide(of)
    check(outcome, of.ballots)
    if method == by.METHOD_WEIGHTED_MEAN:
        zero = SkillWeights(1, {}, VoterWeight(0.0, 0.0, 0.0), 1.0, learned=True)
        assert outcome.winner == ROWS[method].decide(votes(kind, of.ballots, zero)).winner == "0.25"
    else:
        assert outcome.tied == (OPTIONS if kind == "choice" else tuple(sorted((first, second))))
        assert not ROWS[method].settled(of, [])


choices = pytest.mark.parametrize("method", [one for one, kind in ALL if kind == "choice"])


@choices
def test_the_order_and_the_names_of_options_do_not_matter(method: Method) -> None:
    chance = Chance(method, "choice")
    for _ in range(ROUNDS):
        given, weights = chance.panel(), chance.weights()
        order = tuple(chance.sample(OPTIONS, 3))
        outcome = ROWS[method].decide(votes("choice", given, weights))
        assert ROWS[method].decide(Votes(tuple(given), order, weights)) == outcome
        named = dict(zip((*OPTIONS, "other"), (*order, "other"), strict=True))
        others = [
            replace(
                ballot,
                choice=named[ballot.choice] if ballot.choice is not None else None,
                probabilities={named[o]: p for o, p in ballot.probabilities.items()},
            )
            for ballot in given
        ]
        anew = ROWS[method].decide(votes("choice", others, weights))
        assert anew.winner == (named[outcome.winner] if outcome.winner is not None else None)
        assert anew.tied == tuple(sorted(named[option] for option in outcome.tied))
        assert anew.margin == outcome.margin


@pytest.mark.parametrize("method", [by.METHOD_WEIGHTED, by.METHOD_LEARNED])
def test_who_weighs_nothing_changes_nothing(method: Method) -> None:
    chance = Chance(method, "choice")
    nobody = {"nobody": VoterWeight(0.0, 0.0, 1 / 3)}
    for _ in range(ROUNDS):
        given, weights = [*chance.panel(), *said("a")], chance.weights()
        known = replace(weights, voters={**weights.voters, **nobody})
        without = ROWS[method].decide(votes("choice", given, known))
        more = [chance.ballot("nobody") for _ in range(3)]
        together = ROWS[method].decide(votes("choice", given + more, known))
        assert (together.winner, together.tied) == (without.winner, without.tied)
        assert together.shares == pytest.approx(without.shares, abs=1e-12)
