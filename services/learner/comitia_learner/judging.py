"""From a Decision, and what feedback says was right, to votes that can be judged. Pure.

In comes a Decision with the ballots of its panel, shadows included; out come one vote a voter (an
agent as one model), with keys that compare, and, given the right value, which of them is right. A
voter who answered several times votes as its last round does, and of several samples as most of
them; its probabilities are their mean. An agent that judges is a voter of its own, apart from what
it answers on a panel.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from comitia.consensus.ballots import Ballot
from comitia.consensus.keys import json_key, number_key, ranking_key, text_key
from comitia.consensus.weights import voter_in
from comitia.v1 import decision_pb2
from comitia.v1.decision_pb2 import Decision
from comitia.v1.value_pb2 import Value
from comitia.values import value

# Two numbers that differ by no more than this, relative to the larger one, are the same answer:
# what was computed in float32, or was written with seven digits, is right.
NUMBER_TOLERANCE = 1e-6
# What stands for every answer that no ballot gave, where answers are not chosen from options.
ELSE = ""
# Of an agent's name and its model's digest together; whoever claims more is not learned about.
VOTER_CHARACTERS_MAX = 256

_KEYS: Mapping[str, Callable[[Value], str]] = {
    "option_id": lambda given: given.option_id,
    "text": lambda given: text_key(given.text),
    "number": lambda given: number_key(given.number),
    "ranking": lambda given: ranking_key([list(tier.option_ids) for tier in given.ranking.tiers]),
    "json": lambda given: json_key(given.json),
}
_NAMES = {
    "option_id": "an option",
    "text": "a text",
    "number": "a number",
    "ranking": "a ranking",
    "json": "a JSON document",
    None: "nothing",
}


@value
class Panel:
    """The votes of one decision. `kind`: of its values, as in Value. `options`: a choice's ids, in
    the task's order, or those that its ballots name where the decision does not (`closed` False);
    () for other kinds. `votes`: voter -> its ballot, by name; a choice of None abstained.
    """

    kind: str
    options: tuple[str, ...]
    closed: bool
    votes: Mapping[str, Ballot]

    @property
    def cast(self) -> int:
        """Voters who did not abstain."""
        return sum(ballot.choice is not None for ballot in self.votes.values())

    @property
    def options_count(self) -> int:
        """How many answers there were to choose from, at least 2; where answers are free, how many
        were given.
        """
        given = {ballot.choice for ballot in self.votes.values() if ballot.choice is not None}
        return max(2, len(self.options) or len(given))


@value
class Verdict:
    """What feedback makes of a panel: `votes` over `options`, of which `correct` is one. Where
    answers are free, options are numbered keys, and ELSE stands for all that nobody gave.
    """

    votes: Mapping[str, Ballot]
    options: tuple[str, ...]
    correct: str


def panel_of(decision: Decision) -> Panel | None:
    """None where no ballot holds a value: then there is nothing to judge, or to compare."""
    kinds = Counter(ballot.value.WhichOneof("kind") for ballot in decision.ballots if _cast(ballot))
    kinds.pop(None, None)
    if not kinds:
        return None
    kind = min(kinds, key=lambda name: (-kinds[name], name))
    by_voter: dict[str, list[decision_pb2.Ballot]] = {}
    for ballot in _last_rounds(decision.ballots):
        voter = voter_in(ballot.agent, ballot.model.digest, ballot.role)
        if len(voter) <= VOTER_CHARACTERS_MAX:
            by_voter.setdefault(voter, []).append(ballot)
    votes = {voter: _vote(voter, by_voter[voter], kind) for voter in sorted(by_voter)}
    if kind != "option_id":
        return Panel(kind, (), False, votes)
    told = tuple(dict.fromkeys(decision.option_ids))
    return Panel(kind, told or _named(votes.values()), bool(told), votes)


def judge(panel: Panel, correct: Value) -> Verdict:
    """ValueError, with a sentence, when `correct` is not what the task asked for."""
    given = correct.WhichOneof("kind")
    if given != panel.kind:
        raise ValueError(
            f"the right value is given as {_NAMES[given]}, the task asked for {_NAMES[panel.kind]}"
        )
    key = _KEYS[panel.kind](correct)
    if panel.kind == "option_id":
        return _judged_choice(panel, key)
    keys = sorted({ballot.choice for ballot in panel.votes.values() if ballot.choice is not None})
    right = {one for one in keys if _same(panel.kind, one, key)}
    names = {one: str(number) for number, one in enumerate(keys)}
    # Several keys may be right, as numbers that are close: they become one.
    first = min((names[one] for one in right), default=ELSE)
    names |= dict.fromkeys(right, first)
    votes = {
        voter: Ballot(None if ballot.choice is None else names[ballot.choice], voter=voter)
        for voter, ballot in panel.votes.items()
    }
    return Verdict(votes, (*sorted(set(names.values())), ELSE), first)


def _judged_choice(panel: Panel, key: str) -> Verdict:
    options = panel.options
    if key not in options:
        if panel.closed:
            raise ValueError(f"{key[:128]!r} is none of the task's options")
        options = (*options, key)
    return Verdict(panel.votes, options if len(options) > 1 else (*options, ELSE), key)


def _same(kind: str, key: str, correct: str) -> bool:
    if kind == "number":
        return math.isclose(float(key), float(correct), rel_tol=NUMBER_TOLERANCE)
    return key == correct


def _cast(ballot: decision_pb2.Ballot) -> bool:
    return bool(ballot.WhichOneof("outcome") == "value")


def _last_rounds(ballots: Sequence[decision_pb2.Ballot]) -> Iterable[decision_pb2.Ballot]:
    last: dict[int, int] = {}
    for ballot in ballots:
        last[ballot.seat] = max(last.get(ballot.seat, 0), ballot.round)
    return (ballot for ballot in ballots if ballot.round == last[ballot.seat])


def _vote(voter: str, ballots: Sequence[decision_pb2.Ballot], kind: str) -> Ballot:
    """What a voter's samples say together; the first of those that lead, where several do."""
    keys = [key for ballot in ballots if (key := _key(ballot, kind)) is not None]
    if not keys:
        return Ballot(None, voter=voter)
    counts = Counter(keys)
    choice = max(dict.fromkeys(keys), key=lambda key: counts[key])
    return Ballot(choice, _mean(ballots) if kind == "option_id" else {}, None, voter)


def _key(ballot: decision_pb2.Ballot, kind: str) -> str | None:
    if not _cast(ballot) or ballot.value.WhichOneof("kind") != kind:
        return None
    try:
        return _KEYS[kind](ballot.value)
    except ValueError:
        # A decision lists no such ballot as cast; one that was written by others may.
        return None


def _mean(ballots: Sequence[decision_pb2.Ballot]) -> dict[str, float]:
    """Mean probabilities of the ballots that give any."""
    given = [ballot.probabilities for ballot in ballots if ballot.probabilities]
    shares: dict[str, list[float]] = {}
    for probabilities in given:
        for one in probabilities:
            if not 0.0 <= one.probability <= 1.0:
                return {}
            shares.setdefault(one.option_id, []).append(one.probability)
    return {option: math.fsum(found) / len(given) for option, found in shares.items()}


def _named(ballots: Iterable[Ballot]) -> tuple[str, ...]:
    """Every option that some ballot names."""
    named: set[str] = set()
    for ballot in ballots:
        named |= {*ballot.probabilities, *((ballot.choice,) if ballot.choice is not None else ())}
    return tuple(sorted(named))
