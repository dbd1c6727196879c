"""Votes on rankings: known elections, the definitions written out for small ones, and when no
further ballot can change the order.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations_with_replacement, pairwise, permutations, product
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus import borda, copeland, schulze
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.duels import duels
from comitia.consensus.keys import ranking_key

Decide = Callable[[list[Ballot]], Outcome]
Settled = Callable[[list[Ballot], int], bool]
METHODS = (borda, copeland, schulze)
DECIDES = tuple(method.decide for method in METHODS)


def said(*orders: str) -> list[Ballot]:
    """ "ab c" is a above b above c where a tier is a word: "a b c"; "ab c" has a and b equal."""
    return [Ballot(key(order)) for order in orders]


def key(order: str) -> str:
    return ranking_key([list(tier) for tier in order.split()])


def weak_orders(options: str) -> Iterator[str]:
    """Every way to put options in tiers."""
    for tiers in product(range(len(options)), repeat=len(options)):
        if set(tiers) == set(range(max(tiers) + 1)):
            words = (
                "".join(o for o, at in zip(options, tiers, strict=True) if at == t) for t in tiers
            )
            yield " ".join(sorted(set(words), key=lambda word: tiers[options.index(word[0])]))


def elect(decide: Decide, counts: dict[str, int]) -> list[list[str]]:
    """The tiers that win; `counts`: order -> how many voters have it."""
    winner = decide([one for order, count in counts.items() for one in said(order) * count]).winner
    assert winner is not None
    tiers: list[list[str]] = json.loads(winner)
    return tiers


def test_the_three_differ_where_they_are_known_to() -> None:
    # Tennessee's capital: all but the plurality agree on the option in the middle.
    capital = {"m n c k": 42, "n c k m": 26, "c k n m": 15, "k c n m": 17}
    for decide in DECIDES:
        assert elect(decide, capital)[0] == ["n"]
    # Borda prefers a compromise (b) to the option that beats all others one by one (a).
    split = {"a b c": 3, "b c a": 2}
    assert elect(borda.decide, split)[0] == ["b"]
    assert elect(copeland.decide, split)[0] == elect(schulze.decide, split)[0] == ["a"]
    # Schulze's own example of 45 voters and five candidates.
    schulzes = {
        "a c b e d": 5,
        "a d e c b": 5,
        "b e d a c": 8,
        "c a b e d": 3,
        "c a e b d": 7,
        "c b a d e": 2,
        "d c e b a": 7,
        "e b a d c": 8,
    }
    assert elect(schulze.decide, schulzes) == [["e"], ["a"], ["c"], ["b"], ["d"]]


def test_ties_are_tiers_and_the_order_may_be_nobodys() -> None:
    for decide in DECIDES:
        cycle = decide(said("a b c", "b c a", "c a b"))
        assert cycle.winner == '[["a","b","c"]]'
        assert (cycle.tied, cycle.margin, cycle.shares[cycle.winner]) == ((), 0.0, 0.0)
        led = decide(said("a b c", "a c b"))
        assert (led.winner, led.margin) == ('[["a"],["b","c"]]', 1.0)
        assert led.shares == {key("a b c"): 0.5, key("a c b"): 0.5, key("a bc"): 0.0}


def test_the_margin_is_the_first_options_narrowest_duel() -> None:
    for decide in DECIDES:
        assert decide(said("a b c", "a b c", "b a c", "a c b")).margin == 0.5
        assert decide(said("a")).margin == 1.0
    # b leads by Borda though it loses to a.
    assert borda.decide(said(*["a b c"] * 3, *["b c a"] * 2)).margin == 0.0


def test_options_left_out_stand_last_and_equal() -> None:
    for decide in DECIDES:
        assert (
            decide(said("c", "c b", "a b c d")).winner
            == decide(said("c abd", "c b ad", "a b c d")).winner
        )


@pytest.mark.parametrize("decide", DECIDES)
def test_what_is_no_ranking_is_not_cast(decide: Decide) -> None:
    choices = (
        None,
        "",
        "a",
        "1",
        "[]",
        "[[]]",
        '["a"]',
        '[["a"],["a"]]',
        "[[1]]",
        '{"a":1}',
        "[" * 9**5,
    )
    odd = [Ballot(choice) for choice in choices]
    assert decide(odd) == Outcome(None, (), {}, 0.0, 0, len(odd))
    outcome = decide([*odd, *said("a b")])
    assert (outcome.winner, outcome.cast, outcome.abstained) == (key("a b"), 1, len(odd))


def literal(method: ModuleType, orders: Sequence[str]) -> set[str]:
    """Who stands first, by the definition."""
    options = sorted(set("".join(orders).replace(" ", "")))
    at = [{o: n for n, tier in enumerate(order.split()) for o in tier} for order in orders]

    def lead(one: str, other: str) -> int:
        above = sum(stands[one] < stands[other] for stands in at)
        return above - sum(stands[one] > stands[other] for stands in at)

    if method is schulze:
        strongest = {
            (one, other): max(
                min(max(0, lead(*link)) for link in pairwise((one, *chain, other)))
                for size in range(len(options) - 1)
                for chain in permutations([o for o in options if o not in (one, other)], size)
            )
            for one, other in permutations(options, 2)
        }
        beaten = {b for (a, b), strength in strongest.items() if strength > strongest[b, a]}
        return set(options) - beaten
    points: dict[str, float] = dict.fromkeys(options, 0.0)
    for one, other in permutations(options, 2):
        led = lead(one, other)
        if method is borda:
            points[one] += sum((s[one] < s[other]) + (s[one] == s[other]) / 2 for s in at)
        else:
            points[one] += (led > 0) + (led == 0) / 2
    return {option for option in options if points[option] == max(points.values())}


@given(st.lists(st.sampled_from(sorted(weak_orders("abcd"))), min_size=1, max_size=9))
def test_the_first_tier_is_the_winners_by_definition(orders: list[str]) -> None:
    for method in METHODS:
        winner = method.decide(said(*orders)).winner
        assert winner is not None
        assert set(json.loads(winner)[0]) == literal(method, orders)


@given(
    st.lists(st.sampled_from(sorted(weak_orders("abcd"))), min_size=1, max_size=9),
    st.permutations("abcd"),
    st.integers(2, 4),
)
def test_names_and_copies_do_not_matter(orders: list[str], names: list[str], times: int) -> None:
    renamed = str.maketrans("abcd", "".join(names))
    for decide in DECIDES:
        outcome = decide(said(*orders))
        assert decide(said(*orders * times)).winner == outcome.winner
        assert outcome.winner is not None
        expected = [[o.translate(renamed) for o in tier] for tier in json.loads(outcome.winner)]
        anew = decide(said(*(order.translate(renamed) for order in orders)))
        assert anew.winner == ranking_key(expected)
        assert anew.margin == outcome.margin


@pytest.mark.parametrize("method", METHODS)
def test_what_is_settled_stays_whatever_is_still_said(method: ModuleType) -> None:
    """Every completion of small panels; Borda is called settled exactly then."""
    decide: Decide = method.decide
    settled: Settled = method.settled
    seen = {True: 0, False: 0}
    orders = sorted(weak_orders("abc"))
    chance = random.Random(3)
    panels = [[chance.choice(orders[:5]) for _ in range(size)] for size in (1, 2, 3, 6) * 20]
    for panel, open_max in product([*panels, *[[one] * 5 for one in orders]], range(3)):
        now = said(*panel)
        winners = {
            decide(now + said(*(order for order in more if order))).winner
            for more in combinations_with_replacement(("", *orders), open_max)
        }
        certain = len(winners) == 1
        assert certain or not settled(now, open_max), (panel, open_max, winners)
        if method is borda:
            assert settled(now, open_max) == certain, (panel, open_max, winners)
        seen[settled(now, open_max)] += 1
    assert min(seen.values()) > 20
    assert not settled([], 0)


@pytest.mark.parametrize("method", METHODS)
def test_a_unanimous_panel_is_settled_before_all_have_spoken(method: ModuleType) -> None:
    assert method.settled(said(*["a b c"] * 5), 1)
    assert not method.settled(said(*["a bc"] * 5), 1)


def test_a_hundred_options_and_voters_are_counted() -> None:
    options = [f"o{number:03}" for number in range(100)]
    chance = random.Random(5)
    ballots = []
    for _ in range(100):
        order = sorted(options, key=lambda option: int(option[1:]) + chance.gauss(0, 20))
        ballots.append(Ballot(ranking_key([[option] for option in order])))
    assert len(duels(ballots).options) == 100
    for decide in DECIDES:
        winner = decide(ballots).winner
        assert winner is not None
        assert int(json.loads(winner)[0][0][1:]) < 10
