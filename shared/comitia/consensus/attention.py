"""Attention over agents: a ballot counts by how near its answer lies to the question.

    weight(i) = softmax over the ballots i cast of q.k_i / TEMPERATURE,    share(o) = sum of them

q: the unit vector of the task's input, k_i: that of an answer with its reason, both by one embedder
that the agents share (scaled dot-product attention: A. Vaswani et al., "Attention Is All You Need",
2017, DOI 10.48550/arXiv.1706.03762, with one head, plain embeddings for projections, and votes for
values). What is near in meaning need not be right: `attention_fit` learns projections from judged
answers where there are enough.

Ballots with their similarities in, an Outcome out. Where some ballot has none, or two embedders
were used, nothing can be compared: all ballots weigh the same, which is a plurality.
"""

import math
from collections.abc import Iterable, Sequence

from comitia.consensus.ballots import Ballot, Outcome, lead

# Of unit vectors of sentences: two answers whose cosines differ by this differ e-fold in weight.
TEMPERATURE = 0.1


def similarity(query: Sequence[float], key: Sequence[float]) -> float | None:
    """The cosine of two vectors, [-1, 1]; None where they do not compare: of different lengths,
    empty, all 0 or not finite.
    """
    if len(query) != len(key) or not query:
        return None
    long, other = math.hypot(*query), math.hypot(*key)
    if not all(math.isfinite(one) and one > 0.0 for one in (long, other)):
        return None
    cosine = math.fsum((q / long) * (k / other) for q, k in zip(query, key, strict=True))
    return max(-1.0, min(1.0, cosine))


def comparable(ballots: Iterable[Ballot]) -> bool:
    """Whether every ballot that was cast has a similarity, all by one embedder. Once it is not, no
    further ballot makes it so.
    """
    cast = [ballot for ballot in ballots if ballot.choice is not None]
    named = {ballot.embedder for ballot in cast}
    return len(named) <= 1 and all(ballot.similarity is not None for ballot in cast)


def weights(ballots: Sequence[Ballot], temperature: float = TEMPERATURE) -> list[float]:
    """What each ballot weighs, in order: [0, 1], sum 1; 0 for abstentions. `temperature` > 0."""
    equal = not comparable(ballots)
    scores = [
        None if b.choice is None else 0.0 if equal else (b.similarity or 0.0) / temperature
        for b in ballots
    ]
    highest = max((score for score in scores if score is not None), default=0.0)
    raised = [0.0 if score is None else math.exp(score - highest) for score in scores]
    whole = math.fsum(raised) or 1.0
    return [one / whole for one in raised]


def decide(ballots: Sequence[Ballot]) -> Outcome:
    """The choice that is attended to most. Nothing is raised."""
    given: dict[str, list[float]] = {}
    for ballot, weight in zip(ballots, weights(ballots), strict=True):
        if ballot.choice is not None:
            given.setdefault(ballot.choice, []).append(weight)
    cast = sum(map(len, given.values()))
    shares = {choice: math.fsum(given[choice]) for choice in sorted(given)}
    return lead(shares, cast, len(ballots) - cast)


def settled(ballots: Sequence[Ballot], open_count: int) -> bool:
    """Whether there is a winner that `open_count` further ballots leave in place, whatever they
    say. One that lies on the question weighs e^(2 / TEMPERATURE) times as much as one that lies
    opposite it: no lead outlasts it, so only the last ballot settles anything.
    """
    return open_count == 0 and decide(ballots).winner is not None
