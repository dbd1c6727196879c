"""Why a task ended as it did, in sentences that a person understands. Pure text; no name or value
of any length breaks it.
"""

from collections.abc import Iterable, Sequence

from comitia.v1.answer_pb2 import Abstention, AbstentionReason
from comitia.v1.decision_pb2 import SeatRef
from comitia.v1.policy_pb2 import METHOD_PROBABILITY_WEIGHTED
from comitia.v1.value_pb2 import Value
from comitia_aggregator.tally import Tally

NAMES_MAX = 8
SHOWN_CHARACTERS_MAX = 60


def vote(tally: Tally) -> str:
    """Who leads, by how much, and what each side said."""
    return " ".join(part for part in (_result(tally), _quorum(tally), *_sides(tally)) if part)


def absent(late: Sequence[SeatRef], missing: Sequence[SeatRef]) -> str:
    """Names those who came after the deadline and those who did not come; "" when everybody
    answered in time.
    """
    parts = []
    if late:
        parts.append(f"After the deadline: {names(seat.agent for seat in late)}.")
    if missing:
        parts.append(f"No answer: {names(seat.agent for seat in missing)}.")
    return " ".join(parts)


def not_waited_for(missing: Sequence[SeatRef]) -> str:
    """Says that the vote was closed before these answered, and why."""
    rest = names(seat.agent for seat in missing)
    return f"The rest could not change the outcome and was not waited for: {rest}."


def names(agents: Iterable[str]) -> str:
    """The agents' names in order, each once, the first few of many."""
    every = list(dict.fromkeys(agents))
    more = len(every) - NAMES_MAX
    return ", ".join(every[:NAMES_MAX]) + (f" and {more} more" if more > 0 else "")


def shown(value: Value) -> str:
    """A value on one line, cut where it is long."""
    kind = value.WhichOneof("kind")
    if kind == "number":
        return f"{value.number:.12g}"
    if kind == "ranking":
        tiers = (" = ".join(sorted(tier.option_ids)) for tier in value.ranking.tiers)
        return _short(" > ".join(tiers))
    text = getattr(value, kind) if kind else ""
    return f'"{_short(" ".join(text.split()))}"'


def _short(text: str) -> str:
    if len(text) <= SHOWN_CHARACTERS_MAX:
        return text
    return text[: SHOWN_CHARACTERS_MAX - 3] + "..."


def _result(tally: Tally) -> str:
    outcome = tally.outcome
    pooled = tally.method == METHOD_PROBABILITY_WEIGHTED
    if outcome.cast == 0:
        return "No ballot was cast."
    if outcome.winner is None:
        lead = " and ".join(shown(tally.values[key]) for key in outcome.tied[:NAMES_MAX])
        by = "the mean of probabilities" if pooled else "votes"
        return f"No value leads: {lead} are tied by {by}."
    value = shown(tally.values[outcome.winner])
    share = outcome.shares[outcome.winner]
    if pooled:
        how = f"by the mean of {outcome.cast} ballots' probabilities, {share:.2f}"
    else:
        how = f"by plurality, {round(share * outcome.cast)} of {outcome.cast} ballots"
    return f"{value} leads {how} (margin {outcome.margin:.2f})."


def _quorum(tally: Tally) -> str:
    if tally.quorate:
        return ""
    return f"Too few voted: {tally.cast} of the {tally.needed} {tally.unit} needed."


def _sides(tally: Tally) -> Iterable[str]:
    """One sentence a value, the leading one first, then the abstentions."""
    sides: dict[str, list[str]] = {}
    abstained: dict[str, str] = {}
    for ballot, vote in zip(tally.ballots, tally.votes, strict=True):
        key = vote.choice
        if key is None:
            abstained.setdefault(ballot.agent, _why(ballot.abstention))
        else:
            sides.setdefault(key, []).append(ballot.agent)
    shares = tally.outcome.shares
    ordered = sorted(sides, key=lambda key: (-shares.get(key, 0.0), key))
    for key in ordered[:NAMES_MAX]:
        yield f"For {shown(tally.values[key])}: {names(sides[key])}."
    if len(ordered) > NAMES_MAX:
        yield f"{len(ordered) - NAMES_MAX} more values."
    if abstained:
        shortened = [f"{agent} ({why})" for agent, why in abstained.items()]
        yield f"Abstained: {names(shortened)}."


def _why(abstention: Abstention) -> str:
    try:
        reason = AbstentionReason.Name(abstention.reason)
    except ValueError:  # a reason that a newer agent knows
        reason = str(abstention.reason)
    word = reason.removeprefix("ABSTENTION_REASON_").lower()
    return f"{word}: {_short(abstention.detail)}" if abstention.detail else word
