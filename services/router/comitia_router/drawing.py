"""Of more candidates than seats: who is drawn, and with what probability. Pure: the lot is the
task's own, so that the same task seats the same panel.

`lot` gives every agent the same probability: it draws those with the lowest SHA-256 of seed, task
id and name, so an agent that comes or goes changes one seat at most. `by_weight` gives agent i the
probability

    pi_i = min(1, c * size_i),  with c such that the sum of all pi is the number of seats,

size_i = a_i / (1 - a_i), the odds of its estimated accuracy a_i: systematic sampling with
probability proportional to size (W. G. Madow, "On the Theory of Systematic Sampling, II", Annals of
Mathematical Statistics 20 (1949), 333-354, DOI 10.1214/aoms/1177729988). The candidates' pi are put
end to end, in the order of the lot; the seats go to those on whom the points u, u + 1, u + 2, ...
fall, u in [0, 1) being the task's own number. A segment is no longer than 1 and is hit with
probability pi_i, exactly.
"""

import hashlib
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

from comitia.consensus.weights import ACCURACY_MIN, SkillWeights, voter_of
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.task_pb2 import Task

# Of a card that names none.
ROLE_DEFAULT = "solver"


def lot(candidates: Sequence[AgentCard], task: Task, count: int) -> list[AgentCard]:
    """Up to `count` of the candidates, by name."""
    if len(candidates) <= count:
        return list(candidates)
    return sorted(_shuffled(candidates, task)[: max(0, count)], key=lambda card: card.name)


def by_weight(
    candidates: Sequence[AgentCard], task: Task, count: int, weights: SkillWeights
) -> Mapping[str, float]:
    """`count` of the candidates, at least 1: name -> the probability with which it was drawn."""
    shuffled = _shuffled(candidates, task)
    probabilities = inclusion([size(card, weights) for card in shuffled], count)
    chosen = {c.name: 1.0 for c, p in zip(shuffled, probabilities, strict=True) if p >= 1.0}
    left = count - len(chosen)
    if left > 0 and len(chosen) < len(shuffled):
        pairs = zip(shuffled, probabilities, strict=True)
        segments = [(card.name, p) for card, p in pairs if p < 1.0]
        ends = list(accumulate(p for _, p in segments))
        u = int.from_bytes(_draw(task, "")[:6]) / 2**48
        for point in range(left):
            # The last end is `left` but for rounding.
            hit = min(bisect_right(ends, u + point), len(segments) - 1)
            name, probability = segments[hit]
            chosen[name] = probability
    return chosen


def by_role(candidates: Sequence[AgentCard], task: Task, count: int) -> Mapping[str, float]:
    """`count` of the candidates, with as many of each role as the policy wants and there are: name
    -> the probability with which it was drawn.
    """
    chosen: dict[str, float] = {}
    for wanted in task.policy.roles:
        those = [card for card in candidates if (card.role or ROLE_DEFAULT) == wanted.role]
        drawn = lot(those, task, min(wanted.seats, count - len(chosen)))
        chosen |= {card.name: len(drawn) / len(those) for card in drawn}
    rest = [card for card in candidates if card.name not in chosen]
    drawn = lot(rest, task, count - len(chosen))
    return chosen | {card.name: len(drawn) / len(rest) for card in drawn}


def inclusion(sizes: Sequence[float], count: int) -> list[float]:
    """The probabilities pi of `count` draws; sizes are above 0."""
    if count >= len(sizes):
        return [1.0] * len(sizes)
    certain: set[int] = set()
    while True:
        left = count - len(certain)
        total = math.fsum(one for place, one in enumerate(sizes) if place not in certain)
        more = {p for p, one in enumerate(sizes) if p not in certain and left * one >= total}
        if not more:
            break
        certain |= more
    return [1.0 if p in certain else left * one / total for p, one in enumerate(sizes)]


def size(card: AgentCard, weights: SkillWeights) -> float:
    """The odds of the agent's estimated accuracy."""
    known = accuracy(card, weights)
    return known / (1.0 - known)


def accuracy(card: AgentCard, weights: SkillWeights) -> float:
    """As it is estimated, within bounds that keep its odds finite; one half where it is no
    number.
    """
    known = weights.of(voter_of(card.name, card.model.digest)).accuracy
    if not math.isfinite(known):
        return 0.5
    return max(ACCURACY_MIN, min(1.0 - ACCURACY_MIN, known))


def _shuffled(candidates: Sequence[AgentCard], task: Task) -> list[AgentCard]:
    return sorted(candidates, key=lambda card: _draw(task, card.name))


def _draw(task: Task, name: str) -> bytes:
    return hashlib.sha256(f"{task.seed}/{task.id}/{name}".encode()).digest()
