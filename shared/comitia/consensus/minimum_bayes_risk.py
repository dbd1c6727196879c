"""Minimum Bayes risk: of the texts that were said, the one closest to all of them.

    U(c) = sum over ballots b of u(c, b) / #{ballots cast},   the winner is the text of highest U

Ballots in, an Outcome out. Taken as draws from what a right answer may look like, the ballots make
U(c) the expected utility of saying c: S. Kumar and W. Byrne, "Minimum Bayes-Risk Decoding for
Statistical Machine Translation", HLT-NAACL 2004, https://aclanthology.org/N04-1022. The utility u
is chrF by default, the F2 score of runs of 1 to 6 characters without white space: M. Popovic,
"chrF: character n-gram F-score for automatic MT evaluation", WMT 2015, 392-395, DOI
10.18653/v1/W15-3049. It counts recall more, so that of two texts the one leads that holds more of
the other.

Every ballot counts its own text too, so a text that several say gains from each. Texts whose U is
within `ballots.TIE_TOLERANCE` of the highest tie: there is no winner, and all are named.
Abstentions are not cast; confidences and weights do not count.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from fastchrf import pairwise_chrf

from comitia.consensus.ballots import TIE_TOLERANCE, Ballot, Outcome

# candidates: str[n], references: str[m] -> utility of each candidate by each reference:
# float[n][m], 0 to 1.
Utility = Callable[[Sequence[str], Sequence[str]], Sequence[Sequence[float]]]

# Distinct texts that are compared; of more, those with the most ballots, then the first by code
# points.
TEXTS_MAX = 100

# Of a text, chrF compares this many characters from its beginning, and fewer where there are more
# than ten texts: pairs of texts times characters are bounded, too. So no vote takes it longer than
# about half a second.
CHARACTERS_MAX = 10_000
PAIRED_CHARACTERS_MAX = 1_000_000


def chrf(candidates: Sequence[str], references: Sequence[str]) -> list[list[float]]:
    """chrF2 / 100 of each candidate by each reference, 1 where the two are the same. Only the
    beginnings of long texts are compared (CHARACTERS_MAX). Nothing is raised.
    """
    if not candidates or not references:
        return [[] for _ in candidates]
    pairs = len(candidates) * len(references)
    longest = min(CHARACTERS_MAX, PAIRED_CHARACTERS_MAX // pairs)
    # Half of a surrogate pair, which is no text, counts as a question mark.
    said, held = (
        [text[:longest].encode("utf-8", "replace").decode() for text in texts]
        for texts in (candidates, references)
    )
    (scores,) = pairwise_chrf([said], [held])
    return [
        [1.0 if one == other else score / 100 for other, score in zip(references, row, strict=True)]
        for one, row in zip(candidates, scores, strict=True)
    ]


def by_vectors(vectors: Mapping[str, Sequence[float]]) -> Utility:
    """(1 + cosine) / 2 of the vectors of two texts, as a utility.

    `vectors`: text (a key of `keys.text_key`) -> its embedding, float[width], all of one encoder,
    such as `ports.Model.embed` gives; this module runs no model. A text without
    a vector, or with one whose length is 0 or not finite, or of another width, has utility 0 to all
    others, and 1 to itself.
    """
    units = {text: _unit(vector) for text, vector in vectors.items()}

    def utility(candidates: Sequence[str], references: Sequence[str]) -> list[list[float]]:
        return [[_likeness(one, other, units) for other in references] for one in candidates]

    return utility


def decide(ballots: Iterable[Ballot], utility: Utility = chrf) -> Outcome:
    """The text closest to all. Nothing is raised.

    `shares` of the outcome: text -> share of the ballots that say just that, so the winner's need
    not be the largest; `margin`: by how much its U is above the next, 1 where there is no other.
    """
    choices = [ballot.choice for ballot in ballots]
    said = Counter(choice for choice in choices if choice is not None)
    cast, abstained = said.total(), choices.count(None)
    if not said:
        return Outcome(None, (), {}, 0.0, cast, abstained)
    shares = {text: said[text] / cast for text in sorted(said)}
    compared = sorted(said, key=lambda text: (-said[text], text))[:TEXTS_MAX]
    whole = sum(said[text] for text in compared)
    expected = {
        text: math.fsum(said[other] * one for other, one in zip(compared, row, strict=True)) / whole
        for text, row in zip(compared, utility(compared, compared), strict=True)
    }
    highest, *others = sorted(expected.values(), reverse=True)
    leaders = sorted(text for text in compared if highest - expected[text] <= TIE_TOLERANCE)
    if len(leaders) > 1:
        return Outcome(None, tuple(leaders), shares, 0.0, cast, abstained)
    margin = min(1.0, highest - others[0]) if others else 1.0
    return Outcome(leaders[0], (), shares, margin, cast, abstained)


def settled(ballots: Iterable[Ballot], open_max: int) -> bool:
    """Whether there is a winner and no ballot is out: one more may say a text that nobody has said
    yet and that is closer to all of them than any.
    """
    return open_max == 0 and decide(ballots).winner is not None


def _unit(vector: Sequence[float]) -> tuple[float, ...]:
    """The vector with length 1; () where it has no direction."""
    length = math.hypot(*vector)
    return tuple(part / length for part in vector) if 0.0 < length < math.inf else ()


def _likeness(one: str, other: str, units: Mapping[str, tuple[float, ...]]) -> float:
    if one == other:
        return 1.0
    first, second = units.get(one, ()), units.get(other, ())
    if not first or len(first) != len(second):
        return 0.0
    cosine = math.fsum(one * other for one, other in zip(first, second, strict=True))
    return min(1.0, max(0.0, 0.5 + 0.5 * cosine))
