"""The outcome of methods that make their result out of all ballots (a mean, a merged document, an
order of all options), so that it may be what nobody has said.

In come the key of the result, the keys of the ballots cast, and the abstentions; out comes an
Outcome whose shares are the shares of ballots that say exactly a key, the result among them, with 0
where no ballot says it. There is no tie: a method that can tie names it itself.
"""

from collections import Counter
from collections.abc import Sequence

from comitia.consensus.ballots import Outcome


def outcome(
    winner: str, keys: Sequence[str], abstained: int, margin: float | None = None
) -> Outcome:
    """`winner`: key of the result. `keys`: of the ballots cast, at least one. `margin`: in [0, 1];
    None: the share of the ballots that say the result, less the share of the next key, at least 0.
    """
    counts = Counter(keys)
    cast = counts.total()
    shares = {key: counts[key] / cast for key in sorted({winner, *counts})}
    if margin is None:
        next_best = max((share for key, share in shares.items() if key != winner), default=0.0)
        margin = max(0.0, shares[winner] - next_best)
    return Outcome(winner, (), shares, margin, cast, abstained)


def nothing(abstained: int) -> Outcome:
    """Nobody has voted."""
    return Outcome(None, (), {}, 0.0, 0, abstained)
