"""A decision for a person: one line as it comes, or the whole with its ballots.

In: Decision messages, and the task where it is known. Out: Rich renderables. Texts from tasks and
models are escaped.
"""

from collections.abc import Callable
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from comitia.v1.answer_pb2 import Abstention, AbstentionReason
from comitia.v1.decision_pb2 import Ballot, Decision, DecisionStatus
from comitia.v1.policy_pb2 import Method
from comitia.v1.value_pb2 import Value
from comitia_cli.show.tables import clipped, plain_table

_COLOUR = {
    DecisionStatus.DECISION_STATUS_DECIDED: "green",
    DecisionStatus.DECISION_STATUS_NO_QUORUM: "yellow",
    DecisionStatus.DECISION_STATUS_ESCALATED: "yellow",
    DecisionStatus.DECISION_STATUS_CANCELLED: "yellow",
}
WORDS_MAX = 60


def status_name(decision: Decision) -> str:
    """DECIDED, NO_QUORUM, ..."""
    return _word(DecisionStatus.Name, decision.status, "DECISION_STATUS_")


def _word(name: Callable[[Any], str], number: int, prefix: str) -> str:
    """The name of an enum's value without its prefix; of one that a newer version knows, the
    number.
    """
    try:
        return name(number).removeprefix(prefix)
    except ValueError:
        return str(number)


def colour(decision: Decision) -> str:
    return _COLOUR.get(decision.status, "red")


def value_text(value: Value) -> str:
    """A value as one line: an option's id, a text, a number, "a > b = c" for a ranking, a JSON
    document.
    """
    kind = value.WhichOneof("kind")
    if kind == "option_id":
        return value.option_id
    if kind == "text":
        return " ".join(value.text.split())
    if kind == "number":
        return f"{value.number:g}"
    if kind == "ranking":
        return " > ".join(" = ".join(tier.option_ids) for tier in value.ranking.tiers)
    return value.json


def clip(text: str, width: int = WORDS_MAX) -> str:
    """At most `width` characters, with an ellipsis where something was cut."""
    return text if len(text) <= width else text[: width - 1] + "…"


def votes(decision: Decision) -> tuple[int, int]:
    """Ballots for the decided value, and ballots cast (abstentions not counted)."""
    cast = [ballot for ballot in decision.ballots if ballot.HasField("value")]
    return sum(ballot.value == decision.value for ballot in cast), len(cast)


def dissent(decision: Decision) -> str:
    """Who voted otherwise: "agent: value, ..."; "" when nobody did."""
    others = [
        f"{ballot.agent}: {clip(value_text(ballot.value), 20)}"
        for ballot in decision.ballots
        if ballot.HasField("value") and ballot.value != decision.value
    ]
    return ", ".join(others)


def headline(decision: Decision, value: str) -> Text:
    """DECIDED positive - 4 of 5 votes, margin 0.60, 213 ms. `value`: the decided one as text."""
    line = Text()
    line.append(status_name(decision), style=f"bold {colour(decision)}")
    if decision.HasField("value"):
        line.append(f"  {value}", style="bold")
        for_it, cast = votes(decision)
        line.append(f"  {for_it} of {cast} votes, margin {decision.margin:.2f}")
        if decision.HasField("calibrated_probability"):
            line.append(f", right with probability {decision.calibrated_probability:.2f}")
    if decision.tied:
        line.append("  tied: " + ", ".join(clip(value_text(value), 20) for value in decision.tied))
    line.append(f"  {decision.cost.elapsed_ms} ms", style="dim")
    return line


def one_line(decision: Decision) -> Text:
    """For a stream of decisions."""
    line = headline(decision, clip(value_text(decision.value)))
    if decision.HasField("value") and (others := dissent(decision)):
        line.append(f"  against: {others}", style="yellow")
    elif not (decision.HasField("value") or decision.tied) and decision.explanation:
        line.append(f"  {clip(decision.explanation, 100)}", style="dim")
    line.append(f"  {decision.task_id}", style="dim")
    return line


def _vote(ballot: Ballot) -> str:
    if ballot.HasField("value"):
        return escape(clip(value_text(ballot.value)))
    return f"[dim]{escape(_why_not(ballot.abstention))}[/dim]"


def _why_not(abstention: Abstention) -> str:
    reason = _word(AbstentionReason.Name, abstention.reason, "ABSTENTION_REASON_").lower()
    return f"abstains ({reason}{': ' + abstention.detail if abstention.detail else ''})"


def _probabilities(ballot: Ballot) -> str:
    ordered = sorted(ballot.probabilities, key=lambda p: -p.probability)[:3]
    return escape("  ".join(f"{clip(p.option_id, 16)} {p.probability:.2f}" for p in ordered))


def ballot_table(decision: Decision) -> Table:
    """Every counted answer, then the seats that were late or silent."""
    table = plain_table(">seat", "agent", "vote", "probabilities", ">weight", ">tokens", "why")
    for ballot in decision.ballots:
        agrees = ballot.HasField("value") and ballot.value == decision.value
        table.add_row(
            str(ballot.seat),
            escape(ballot.agent),
            _vote(ballot),
            _probabilities(ballot),
            f"{ballot.weight:.2f}" if ballot.weight else "",
            str(ballot.usage.prompt_tokens + ballot.usage.completion_tokens),
            clipped(ballot.rationale),
            style="" if agrees or not decision.HasField("value") else "yellow",
        )
    # Where the panel decided without them, they are no failure.
    look = "dim" if decision.HasField("value") else "red"
    for seats, words in ((decision.late, "too late"), (decision.missing, "no answer")):
        for seat in seats:
            vote = f"[{look}]{words}[/{look}]"
            table.add_row(str(seat.seat), escape(seat.agent), vote, "", "", "", "")
    return table


def whole(decision: Decision) -> RenderableType:
    """Headline, reason, ballots."""
    parts: list[RenderableType] = [headline(decision, value_text(decision.value))]
    if decision.explanation:
        parts.append(Text(decision.explanation))
    if decision.ballots or decision.late or decision.missing:
        parts.append(ballot_table(decision))
    return Group(*parts)


def small_print(decision: Decision) -> Text:
    """Method, cost, models, trace."""
    cost = decision.cost
    models = sorted({(b.model.name, b.model.digest[:19]) for b in decision.ballots if b.model.name})
    lines = [
        f"method {_word(Method.Name, decision.method, 'METHOD_').lower()},"
        f" weights version {decision.weights_version}, revision {decision.revision}",
        f"{cost.prompt_tokens} prompt and {cost.completion_tokens} completion tokens,"
        f" {cost.assignments} assignments, agents worked {cost.worked_ms} ms",
    ]
    if models:
        lines.append("models " + ", ".join(f"{name} {digest}" for name, digest in models))
    if decision.HasField("dead_letter"):
        letter = decision.dead_letter
        lines.append(f"the original is kept: comitia dlq show {letter.offset}")
    if decision.trace_id:
        lines.append(f"trace {decision.trace_id}")
    return Text("\n".join(lines), style="dim")
