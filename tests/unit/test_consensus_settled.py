"""When no further ballot can change the winner: against every completion in small cases, and
against random ones with any distribution.
"""

from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus import plurality, probability_weighted
from comitia.consensus.ballots import Ballot, Outcome

OPTIONS = ("a", "b", "c")
BALLOTS_MAX = 5
OPEN_MAX = 3

shares = st.floats(0, 1)
any_ballot = st.builds(
    Ballot,
    st.none() | st.sampled_from((*OPTIONS, "not an option")),
    st.dictionaries(st.sampled_from((*OPTIONS, "other")), shares | st.floats()),
    st.none() | shares | st.floats(),
)


def pool(ballots: list[Ballot]) -> Outcome:
    return probability_weighted.decide(ballots, OPTIONS)


def pool_settled(ballots: list[Ballot], open_max: int) -> bool:
    return probability_weighted.settled(ballots, OPTIONS, open_max)


def completions(
    ballots: list[Ballot], choices: tuple[str | None, ...], open_max: int
) -> Iterator[list[Ballot]]:
    """Every way in which up to `open_max` further bare ballots may fall (None: an abstention, which
    counts like no answer).
    """
    for further in combinations_with_replacement((None, *choices), open_max):
        yield ballots + [Ballot(choice) for choice in further]


@pytest.mark.parametrize(
    ("decide", "settled"), [(plurality.decide, plurality.settled), (pool, pool_settled)]
)
def test_settled_exactly_when_every_completion_has_the_same_winner(
    decide: Callable[[list[Ballot]], Outcome], settled: Callable[[list[Ballot], int], bool]
) -> None:
    seen = {True: 0, False: 0}
    for size in range(BALLOTS_MAX + 1):
        for cast in combinations_with_replacement((None, *OPTIONS), size):
            ballots = [Ballot(choice) for choice in cast]
            for open_max in range(OPEN_MAX + 1):
                # A bare ballot gives its option all of its probability: no distribution gives more.
                winners = {decide(one).winner for one in completions(ballots, OPTIONS, open_max)}
                certain = len(winners) == 1 and None not in winners
                assert settled(ballots, open_max) == certain, (cast, open_max, winners)
                seen[certain] += 1
    assert min(seen.values()) > 20


def test_values_that_nobody_has_named_count_as_rivals() -> None:
    ballots = [Ballot("a")]
    assert plurality.settled(ballots, 0)
    assert not plurality.settled(ballots, 1)
    assert {one.winner for one in map(plurality.decide, completions(ballots, ("z",), 1))} == {
        "a",
        None,
    }


@given(st.lists(any_ballot, max_size=8), st.lists(any_ballot, max_size=6), st.integers(0, 3))
def test_what_is_settled_stays(now: list[Ballot], further: list[Ballot], absent: int) -> None:
    open_max = len(further) + absent
    if plurality.settled(now, open_max):
        assert plurality.decide(now + further).winner == plurality.decide(now).winner
    if pool_settled(now, open_max):
        assert pool(now + further).winner == pool(now).winner


leaning = st.builds(
    lambda first, rest: Ballot("a", {"a": first, "b": (1 - first) * rest, "c": (1 - first)}),
    st.floats(0.5, 1),
    shares,
)


@given(st.lists(leaning, min_size=1, max_size=40), st.integers(0, 20), st.data())
def test_the_pool_is_settled_up_to_the_last_ballot_that_could_tie(
    now: list[Ballot], open_max: int, data: st.DataObject
) -> None:
    """Against the worst completion, all for the runner-up, and a random one."""
    winner, worst = (
        pool(now).winner,
        [
            {pool(now + [Ballot(rival)] * count).winner for count in range(open_max + 1)}
            for rival in OPTIONS
        ],
    )
    if pool_settled(now, open_max):
        assert all(winners == {winner} for winners in worst)
        further = data.draw(st.lists(any_ballot, max_size=open_max))
        assert pool(now + further).winner == winner
    else:
        totals = sorted(share * len(now) for share in pool(now).shares.values())
        # Nobody calls it open whose lead is clear.
        assert totals[-1] - totals[-2] - open_max < 1e-6
