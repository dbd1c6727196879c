"""A judged task as the learner keeps it: a few bytes a vote.

In comes a verdict with its place in the log; out come bytes, and from them again what weights are
fitted to. Of a probability only its natural logarithm is kept, in steps of 1/16: within 3 % of
what was stated, down to 1e-7. Weights are fitted to nothing else from the beginning, so a learner
that was restarted fits them to the same numbers as one that was not.

A vote is the number of its option (one byte), a byte that is 1 where probabilities follow, and then
one byte an option: the negative logarithm in sixteenths, ABSENT where nothing was given or it is
smaller.
"""

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass

from comitia.consensus.ballots import Ballot, stated
from comitia.consensus.learning import Example
from comitia_learner.judging import Verdict

# Options of one task that a byte can number; tasks with more are not learned from.
OPTIONS_MAX = 254
STEPS_PER_NAT = 16
ABSENT = 255
# What an example takes beside its votes and options, about.
_OVERHEAD_BYTES = 64

# When feedback was appended (epoch milliseconds), and where: partition and offset.
Place = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Judged:
    """One task. `place`: of the feedback that judges it. `correct`: number of the right option.
    `voters` and `votes` go together; abstentions are left out.
    """

    task_id: str
    place: Place
    options: tuple[str, ...]
    correct: int
    voters: tuple[str, ...]
    votes: bytes

    @property
    def size_bytes(self) -> int:
        """What it takes in a record, about: a voter is a number there."""
        options = sum(len(option) + 4 for option in self.options)
        return (
            _OVERHEAD_BYTES + options + len(self.task_id) + len(self.votes) + 4 * len(self.voters)
        )


def keep(task_id: str, place: Place, verdict: Verdict) -> Judged | None:
    """None where it teaches nothing: nobody voted, or there are more than OPTIONS_MAX options."""
    options = verdict.options
    numbers = {option: number for number, option in enumerate(options)}
    cast = {v: b for v, b in verdict.votes.items() if b.choice is not None and b.choice in numbers}
    if not cast or len(options) > OPTIONS_MAX:
        return None
    votes = bytearray()
    for voter in sorted(cast):
        ballot = cast[voter]
        votes.append(numbers[ballot.choice or ""])
        votes += _packed(stated(ballot.probabilities, options), options)
    return Judged(
        task_id, place, options, numbers[verdict.correct], tuple(sorted(cast)), bytes(votes)
    )


def example_of(judged: Judged, known: Container[str]) -> Example:
    """What `comitia.consensus.learning` fits weights to: the votes of the voters in `known`."""
    options, at = judged.options, 0
    votes: dict[str, Ballot] = {}
    for voter in judged.voters:
        choice, stated = judged.votes[at], judged.votes[at + 1]
        at += 2
        probabilities: Mapping[str, float] = {}
        if stated:
            probabilities = _unpacked(judged.votes[at : at + len(options)], options)
            at += len(options)
        if voter in known:
            votes[voter] = Ballot(options[choice], probabilities, None, voter)
    return Example(votes, options, options[judged.correct])


def _packed(probabilities: Mapping[str, float], options: tuple[str, ...]) -> bytes:
    steps = bytes(_steps(probabilities.get(option, 0.0)) for option in options)
    return b"\x00" if set(steps) <= {ABSENT} else b"\x01" + steps


def _steps(probability: float) -> int:
    if probability <= 0.0:
        return ABSENT
    return min(ABSENT, round(-STEPS_PER_NAT * math.log(probability)))


def _unpacked(steps: bytes, options: tuple[str, ...]) -> dict[str, float]:
    """Probabilities whose sum is 1 but for the rounding."""
    return {
        option: math.exp(-step / STEPS_PER_NAT)
        for option, step in zip(options, steps, strict=True)
        if step != ABSENT
    }
