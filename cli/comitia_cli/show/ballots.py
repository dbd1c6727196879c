"""The ballots of a decision as a person takes them in: who carried it first, who dissented next,
and at the end who did not count.

In: a Decision. Out: a table, and dissent in the dissenters' own words. Texts from agents are
escaped.
"""

import math

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from comitia.consensus.weights import JUDGE
from comitia.v1.answer_pb2 import Abstention, AbstentionReason
from comitia.v1.decision_pb2 import Ballot, Decision, DecisionStatus, SeatRef
from comitia_cli.show.methods import POOLS
from comitia_cli.show.tables import clipped, plain_table
from comitia_cli.show.words import clip, enum_word, value_text

BAR_CELLS = 8
RATIONALE_MAX = 240
DISSENT_MAX = 3
_COLUMNS = ("", "agent", ">round", "vote", ">sure", "weight", ">tokens", "why")
# Here a seat that is missing was waited for until its time was over.
_WAITED = {DecisionStatus.DECISION_STATUS_EXPIRED, DecisionStatus.DECISION_STATUS_NO_QUORUM}


def ballot_table(decision: Decision) -> Table:
    """Every counted answer, then shadows, then the seats that were late or silent."""
    weights = [abs(ballot.weight) for ballot in decision.ballots if _counts(ballot)]
    heaviest = max((weight for weight in weights if math.isfinite(weight)), default=0.0)
    # Where all weigh the same, a column of equal numbers says nothing.
    weighed = len(set(weights)) > 1 or any(ballot.weight < 0 for ballot in decision.ballots)
    rounds = any(ballot.round > 1 for ballot in decision.ballots)
    shown = {"weight": weighed, ">round": rounds}
    table = plain_table(*(one for one in _COLUMNS if shown.get(one, True)))
    for ballot in sorted(decision.ballots, key=lambda one: _rank(one, decision)):
        mark, style = _look(ballot, decision)
        weight = (_bar(ballot, heaviest),) if weighed else ()
        tokens = str(ballot.usage.prompt_tokens + ballot.usage.completion_tokens)
        in_round = (str(ballot.round),) if rounds else ()
        agent = (escape(_agent(ballot)), *in_round)
        row = (*agent, _vote(ballot), _sure(ballot, decision), *weight, tokens)
        table.add_row(mark, *row, clipped(ballot.rationale), style=style)
    silent = "no answer" if decision.status in _WAITED else "had not answered"
    for seats, words in ((decision.late, "too late"), (decision.missing, silent)):
        for seat in seats:
            _absent(table, (seat, words), decision, rounds)
    return table


def dissent_view(decision: Decision) -> RenderableType:
    """Why the heaviest dissenters said otherwise, in their words; nothing where nobody gave a
    reason.
    """
    others = [
        ballot
        for ballot in sorted(decision.ballots, key=lambda one: _rank(one, decision))
        if _dissents(ballot, decision) and _counts(ballot) and ballot.rationale.strip()
    ]
    lines = []
    for ballot in others[:DISSENT_MAX]:
        said = clip(" ".join(ballot.rationale.split()), RATIONALE_MAX)
        line = Text(f"{ballot.agent} dissents for {clip(value_text(ballot.value), 40)}: ")
        line.stylize("yellow")
        line.append(f"“{said}”", style="italic")
        lines.append(line)
    return Group(*lines)


def _counts(ballot: Ballot) -> bool:
    return ballot.HasField("value") and not ballot.shadow


def _agrees(ballot: Ballot, decision: Decision) -> bool:
    return ballot.HasField("value") and ballot.value == decision.value


def _dissents(ballot: Ballot, decision: Decision) -> bool:
    return decision.HasField("value") and ballot.HasField("value") and not _agrees(ballot, decision)


def _rank(ballot: Ballot, decision: Decision) -> tuple[int, float, int, int, int]:
    """Shadows last, abstentions before them; then for the decision, then by weight, then by
    seat.
    """
    if ballot.shadow:
        group = 3
    elif not ballot.HasField("value"):
        group = 2
    else:
        group = 0 if _agrees(ballot, decision) else 1
    weight = ballot.weight if math.isfinite(ballot.weight) else 0.0
    return group, -weight, ballot.seat, ballot.sample, ballot.round


def _look(ballot: Ballot, decision: Decision) -> tuple[str, str]:
    """A mark, which tells without colours, and the row's style."""
    if ballot.shadow:
        return "~", "dim"
    if not ballot.HasField("value"):
        return "o", "dim"
    if _dissents(ballot, decision):
        return "-", "yellow"
    return ("+" if decision.HasField("value") else " "), ""


def _vote(ballot: Ballot) -> str:
    if ballot.HasField("value"):
        shadow = " [dim](shadow: not counted)[/dim]" if ballot.shadow else ""
        return escape(clip(value_text(ballot.value))) + shadow
    return f"[dim]{escape(_why_not(ballot.abstention))}[/dim]"


def _why_not(abstention: Abstention) -> str:
    reason = enum_word(AbstentionReason.Name, abstention.reason, "ABSTENTION_REASON_").lower()
    return f"abstains ({reason}{': ' + abstention.detail if abstention.detail else ''})"


def _sure(ballot: Ballot, decision: Decision) -> str:
    """How sure the agent is: the probabilities of its best options where those are the vote, else
    that of its own choice.
    """
    if decision.method in POOLS:
        ordered = sorted(ballot.probabilities, key=lambda one: -one.probability)[:3]
        return escape("  ".join(f"{clip(p.option_id, 16)} {p.probability:.2f}" for p in ordered))
    if ballot.HasField("confidence"):
        return f"{ballot.confidence:.2f}"
    own = _of_choice(ballot)
    return f"{max(own):.2f}" if own else ""


def _of_choice(ballot: Ballot) -> list[float]:
    choice = ballot.value.option_id
    return [one.probability for one in ballot.probabilities if choice and one.option_id == choice]


def _bar(ballot: Ballot, heaviest: float) -> str:
    """The weight as a number and a bar beside the heaviest one's."""
    if not _counts(ballot):
        return ""
    share = abs(ballot.weight) / heaviest if heaviest and math.isfinite(ballot.weight) else 0.0
    filled = min(BAR_CELLS, round(share * BAR_CELLS))
    # No honest weight is large; an odd one must not push the table apart.
    number = f"{ballot.weight:6.2f}" if abs(ballot.weight) < 1000 else f"{ballot.weight:6.0e}"
    return f"{number} {'█' * filled}{'·' * (BAR_CELLS - filled)}"


def _agent(ballot: Ballot) -> str:
    return f"{ballot.agent} (judge)" if ballot.role == JUDGE else ballot.agent


def _absent(table: Table, said: tuple[SeatRef, str], decision: Decision, rounds: bool) -> None:
    """Where the panel decided without them, they are no failure."""
    seat, words = said
    look = "dim" if decision.HasField("value") else "red"
    cells = ["", escape(seat.agent), *([""] if rounds else []), f"[{look}]{words}[/{look}]"]
    table.add_row(*cells)
