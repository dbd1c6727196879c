"""How a decision came about beyond its first vote: the steps of its ladder and what each round
changed. Decisions in, rich objects out; texts from agents are shown as text.
"""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from comitia.consensus.weights import JUDGE
from comitia.v1.decision_pb2 import Ballot, Decision, NegotiationRecord, StepRecord
from comitia_cli.show.tables import plain_table
from comitia_cli.show.words import clip, value_text

VALUE_MAX = 32
WHY_MAX = 200


def walk_view(decision: Decision) -> RenderableType:
    """Each step with why it was taken or not and what it left, then what changed in the rounds."""
    if not decision.steps:
        return Group()
    parts: list[RenderableType] = [_step_table(decision.steps)]
    for one in decision.steps:
        if one.HasField("negotiation"):
            parts.append(Text(f"{one.name}: {_negotiated(one.negotiation)}"))
    parts += [Text(line) for line in _rounds(decision)]
    return Group(*parts)


def _step_table(steps: Sequence[StepRecord]) -> Table:
    """What a step left: who led after it and by how much. `asked`: assignments of its rounds."""
    table = plain_table("step", "", "then leads", ">margin", ">asked", ">tokens", "why")
    for one in steps:
        name = one.name if one.name == one.kind else f"{one.name} ({one.kind})"
        leader = clip(value_text(one.leader), VALUE_MAX) if one.HasField("leader") else "no value"
        counts = (str(one.assignments), str(one.tokens)) if one.assignments else ("", "")
        taken = "taken" if one.taken else "passed over"
        after = (Text(leader), f"{one.margin:.2f}")
        look = "" if one.taken else "dim"
        table.add_row(Text(name), taken, *after, *counts, Text(one.reason), style=look)
    return table


def _negotiated(record: NegotiationRecord) -> str:
    end = "agreed" if record.agreed else "no agreement"
    efficient = "no" if record.pareto_efficient else "some"
    best = f"Nash product {record.nash_product:.3f} of {record.nash_product_max:.3f} possible"
    better = f"{efficient} other outcome is better for one and worse for none"
    return f"{end} after {record.offers} offers" + (f"; {best}; {better}" if record.agreed else "")


def _rounds(decision: Decision) -> Iterator[str]:
    """From the second round on: who said what, was shown whom, switched, or kept what was said."""
    names = {ballot.seat: ballot.agent for ballot in decision.ballots}
    last: dict[tuple[int, int], Ballot] = {}
    number = 1
    for ballot in sorted(decision.ballots, key=lambda one: (one.round, one.seat, one.sample)):
        if ballot.round > max(number, 1):
            number = ballot.round
            yield f"round {number}:"
        place = (ballot.seat, ballot.sample)
        if ballot.round > 1:
            said = _judged(ballot) if ballot.role == JUDGE else _answered(ballot, last.get(place))
            peers = ", ".join(names.get(seat, f"seat {seat}") for seat in ballot.peers)
            yield f"  {ballot.agent}: {said}" + (f" (was shown {peers})" if peers else "")
        last[place] = ballot


def _judged(ballot: Ballot) -> str:
    again = f", question {ballot.sample + 1}" if ballot.sample else ""
    if not ballot.HasField("value"):
        return f"as a judge abstains{again}" + _because(ballot.abstention.detail)
    return f"as a judge picks {_short(ballot)}{again}" + _because(ballot.rationale)


def _answered(ballot: Ballot, former: Ballot | None) -> str:
    if ballot.kept:
        return f"{_short(ballot)} stands: {ballot.kept}"
    if not ballot.HasField("value"):
        return "abstains" + _because(ballot.abstention.detail)
    if former is None or not former.HasField("value"):
        return _short(ballot) + _because(ballot.rationale)
    if former.value == ballot.value:
        return f"{_short(ballot)}, as before"
    return f"{_short(former)} -> {_short(ballot)}" + _because(ballot.rationale)


def _short(ballot: Ballot) -> str:
    return clip(value_text(ballot.value), VALUE_MAX)


def _because(words: str) -> str:
    said = " ".join(words.split())
    return f": “{clip(said, WHY_MAX)}”" if said else ""
