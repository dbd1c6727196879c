"""Why a task ended as it did, in sentences that a person understands. Pure text; no name or value
of any length breaks it.
"""

from collections.abc import Iterable, Sequence

from comitia.v1.answer_pb2 import Abstention, AbstentionReason
from comitia.v1.decision_pb2 import Ballot, Decision, SeatRef
from comitia.v1.policy_pb2 import METHOD_ATTENTION, METHOD_UNSPECIFIED, Method
from comitia.v1.task_pb2 import Task
from comitia.v1.value_pb2 import Value
from comitia_aggregator.methods import ROWS, WEIGHING
from comitia_aggregator.result import VOTE
from comitia_aggregator.tally import Tally

NAMES_MAX = 8
SHOWN_CHARACTERS_MAX = 60
REASON_CHARACTERS_MAX = 160


def vote(tally: Tally, task: Task) -> str:
    """Who leads, by which method, how surely and by how much, what each side said and weighed, why
    others dissent, and what shadows say.
    """
    parts = (_result(tally), _probability(tally), _instead(tally, task), _quorum(tally))
    return " ".join(part for part in (*parts, *_sides(tally), _shadows(tally)) if part)


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


def sure_without(missing: Sequence[SeatRef], target: float) -> str:
    """Says that the vote was closed before these answered, for its winner was likely enough."""
    rest = names(seat.agent for seat in missing)
    return f"That is as likely as the task asks for ({target:.2f}); not waited for: {rest}."


def walk(decision: Decision) -> Iterable[str]:
    """A sentence for each step of the ladder that was taken, or could not be, and what stands in
    the end.
    """
    for record in decision.steps:
        name, why = record.name, short(record.reason, REASON_CHARACTERS_MAX).removesuffix(".")
        if record.taken:
            leader = shown(record.leader) if record.HasField("leader") else "no value"
            after = f"; then {leader} leads (margin {record.margin:.2f})"
            yield f"Step {name}: {why}{after if record.kind != 'person' else ''}."
        elif ", but " in record.reason:
            yield f"Step {name} was not taken: {why}."
    stand = [one for one in decision.ballots if one.kept]
    kept = [f"{ballot.agent} ({short(ballot.kept)})" for ballot in stand]
    if kept:
        yield f"Their former answer stands: {names(kept)}."
    if decision.HasField("escalation"):
        yield "It is left to a person."
    elif decision.HasField("value") and decision.decided_by != VOTE:
        yield f"Decided by {decision.decided_by}: {shown(decision.value)}."


def settled(decision: Decision) -> str:
    """What became of a conflict: a revision and its settlement."""
    settlement = decision.settlement
    if settlement.expired and decision.HasField("value"):
        end = f"by its policy it is decided with {shown(decision.value)}"
    elif settlement.expired:
        end = "by its policy it ends without a value"
    else:
        by = settlement.by or "A person who gave no name"
        why = f": {settlement.because}" if settlement.because else ""
        return f"{by} settled revision {settlement.revision} as {shown(decision.value)}{why}"
    return f"Nobody settled revision {settlement.revision} in time; {end}."


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
        return short(" > ".join(tiers))
    text = getattr(value, kind) if kind else ""
    return f'"{short(" ".join(text.split()))}"'


def short(text: str, characters_max: int = SHOWN_CHARACTERS_MAX) -> str:
    """The text, cut where it is long."""
    if len(text) <= characters_max:
        return text
    return text[: characters_max - 3] + "..."


def _result(tally: Tally) -> str:
    outcome = tally.outcome
    if outcome.cast == 0:
        return "No ballot was cast."
    used = f", weights version {tally.counted.weights.version}" if tally.weighed else ""
    if outcome.winner is None:
        lead = " and ".join(shown(tally.values[key]) for key in outcome.tied[:NAMES_MAX])
        words = ROWS[tally.method].words
        by = words[: words.index(", {")] if ", {" in words else words
        return f"No value leads: {lead} are tied {by.format(cast=outcome.cast)}{used}."
    value = shown(tally.values[outcome.winner])
    choices = [ballot.choice for ballot in tally.counted.ballots]
    how = ROWS[tally.method].words.format(
        cast=outcome.cast,
        votes=choices.count(outcome.winner),
        share=f"{outcome.shares[outcome.winner]:.2f}",
    )
    return f"{value} leads {how} (margin {outcome.margin:.2f}{used})."


def _probability(tally: Tally) -> str:
    probability = tally.outcome.probability
    if probability is None:
        return ""
    # Nobody has seen so much feedback that it would be certain.
    digits = f"{probability:.2f}" if probability < 0.995 else "over 0.99"
    return f"By past feedback it is right with a probability of {digits}."


def _instead(tally: Tally, task: Task) -> str:
    """Why the vote was not counted as the task asks."""
    asked = task.policy.method
    if asked in (METHOD_UNSPECIFIED, tally.method):
        return ""
    name = Method.Name(asked) if asked in Method.values() else str(asked)
    if tally.weighed:
        return f"{name} was asked for: the skill has too little feedback for it so far."
    if asked in WEIGHING:
        return f"{name} was asked for: the skill has no weights yet."
    if asked == METHOD_ATTENTION and task.format.HasField("choice"):
        return f"{name} was asked for: not all ballots came with vectors by one embedder."
    return f"{name} was asked for: it does not take this format of answer."


def _quorum(tally: Tally) -> str:
    if tally.quorate:
        return ""
    return f"Too few voted: {tally.cast} of the {tally.needed} {tally.unit} needed."


def _sides(tally: Tally) -> Iterable[str]:
    """A sentence a value, the leading one first, with the first reason that each of the others
    gives; then the abstentions.
    """
    sides: dict[str, list[Ballot]] = {}
    abstained: dict[str, str] = {}
    for ballot, vote in zip(tally.ballots, tally.counted.ballots, strict=True):
        if vote.choice is None:
            abstained.setdefault(ballot.agent, _why(ballot.abstention))
        else:
            sides.setdefault(vote.choice, []).append(ballot)
    winner, shares = tally.outcome.winner, tally.outcome.shares
    ordered = sorted(sides, key=lambda key: (key != winner, -shares.get(key, 0.0), key))
    for key in ordered[:NAMES_MAX]:
        yield f"For {shown(tally.values[key])}: {_voters(sides[key], tally.varied)}."
        if key != winner:
            yield _reason(sides[key])
    if len(ordered) > NAMES_MAX:
        yield f"{len(ordered) - NAMES_MAX} more values."
    if abstained:
        shortened = [f"{agent} ({why})" for agent, why in abstained.items()]
        yield f"Abstained: {names(shortened)}."


def _voters(ballots: Sequence[Ballot], varied: bool) -> str:
    """Their names, with what each weighed where that differs."""
    if not varied:
        return names(ballot.agent for ballot in ballots)
    weights: dict[str, float] = {}
    for ballot in ballots:
        weights[ballot.agent] = weights.get(ballot.agent, 0.0) + ballot.weight
    ordered = sorted(weights, key=lambda agent: -weights[agent])
    return names(f"{agent} ({weights[agent]:.2f})" for agent in ordered)


def _reason(ballots: Sequence[Ballot]) -> str:
    for ballot in ballots:
        said = " ".join(ballot.rationale.split())
        if said:
            return f'{ballot.agent} says: "{short(said, REASON_CHARACTERS_MAX)}".'
    return ""


def _shadows(tally: Tally) -> str:
    """What those said who are not counted."""
    said = [
        f"{ballot.agent} for {shown(ballot.value)}"
        if key is not None
        else f"{ballot.agent} (abstained)"
        for ballot, key in tally.shadows
    ]
    return f"Shadows, not counted: {names(said)}." if said else ""


def _why(abstention: Abstention) -> str:
    try:
        reason = AbstentionReason.Name(abstention.reason)
    except ValueError:  # a reason that a newer agent knows
        reason = str(abstention.reason)
    word = reason.removeprefix("ABSTENTION_REASON_").lower()
    return f"{word}: {short(abstention.detail)}" if abstention.detail else word
