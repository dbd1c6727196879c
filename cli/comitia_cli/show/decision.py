"""A decision for a person: one line as it comes, or the whole with its ballots.

In: Decision messages, and the task where it is known. Out: Rich renderables. Texts from tasks and
models are escaped.
"""

from rich.console import Group, RenderableType
from rich.text import Text

from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.policy_pb2 import Method
from comitia_aggregator.result import VOTE
from comitia_cli.client.settling import settled_words
from comitia_cli.show.ballots import ballot_table, dissent_view
from comitia_cli.show.conflicts import escalation_view
from comitia_cli.show.methods import method_words
from comitia_cli.show.words import chance, clip, enum_word, value_text

_COLOUR = {
    DecisionStatus.DECISION_STATUS_DECIDED: "green",
    DecisionStatus.DECISION_STATUS_NO_QUORUM: "yellow",
    DecisionStatus.DECISION_STATUS_ESCALATED: "yellow",
    DecisionStatus.DECISION_STATUS_CANCELLED: "yellow",
}


def status_name(decision: Decision) -> str:
    """DECIDED, NO_QUORUM, ..."""
    return enum_word(DecisionStatus.Name, decision.status, "DECISION_STATUS_")


def colour(decision: Decision) -> str:
    return _COLOUR.get(decision.status, "red")


def votes(decision: Decision) -> tuple[int, int]:
    """Ballots for the decided value, and ballots cast (neither abstentions nor shadows)."""
    cast = [one for one in decision.ballots if one.HasField("value") and not one.shadow]
    return sum(ballot.value == decision.value for ballot in cast), len(cast)


def dissent(decision: Decision) -> str:
    """Who voted otherwise: "agent: value, ..."; "" when nobody did."""
    others = [
        f"{ballot.agent}: {clip(value_text(ballot.value), 20)}"
        for ballot in decision.ballots
        if ballot.HasField("value") and not ballot.shadow and ballot.value != decision.value
    ]
    return ", ".join(others)


def decided_by(decision: Decision) -> str:
    """What settled it where that was not the first vote: a person, a step, a stage; "" else."""
    if decision.HasField("settlement"):
        return settled_words(decision)
    if decision.decided_by in ("", VOTE):
        return ""
    return f"by {'stage ' if decision.stages else ''}{decision.decided_by}"


def headline(decision: Decision, value: str) -> Text:
    """DECIDED positive - 4 of 5 votes, margin 0.60, 213 ms. `value`: the decided one as text."""
    line = Text()
    line.append(status_name(decision), style=f"bold {colour(decision)}")
    if decision.HasField("value"):
        line.append(f"  {value}", style="bold")
        for_it, cast = votes(decision)
        if cast:
            rounds = max(ballot.round for ballot in decision.ballots)
            over = f" in {rounds} rounds" if rounds > 1 else ""
            line.append(f"  {for_it} of {cast} votes{over}, margin {decision.margin:.2f}")
        elif not decision.HasField("settlement"):
            line.append(f"  margin {decision.margin:.2f}")
        if decision.HasField("calibrated_probability"):
            line.append(f", right with probability {chance(decision.calibrated_probability)}")
    if decision.tied:
        line.append("  tied: " + ", ".join(clip(value_text(value), 20) for value in decision.tied))
    if how := decided_by(decision):
        line.append(f"  {how}", style="cyan")
    if decision.HasField("escalation"):
        line.append(f"  {clip(decision.escalation.reason)}: left to a person", style="yellow")
    if decision.cost.elapsed_ms or not decision.HasField("settlement"):
        line.append(f"  {decision.cost.elapsed_ms} ms", style="dim")
    return line


def one_line(decision: Decision) -> Text:
    """For a stream of decisions."""
    line = headline(decision, clip(value_text(decision.value)))
    if decision.HasField("value") and (others := dissent(decision)):
        line.append(f"  against: {others}", style="yellow")
    elif decision.explanation and not _says_enough(decision):
        line.append(f"  {clip(decision.explanation, 100)}", style="dim")
    line.append(f"  {decision.task_id}", style="dim")
    return line


def _says_enough(decision: Decision) -> bool:
    """Whether the headline of what has no value says why."""
    told = decision.tied or decision.HasField("escalation") or decision.HasField("settlement")
    return bool(decision.HasField("value") or told)


def whole(decision: Decision) -> RenderableType:
    """What was decided and how, the ballots, and what the dissenters say; what waits for a person,
    and the command that settles it. Where nothing was decided the reason comes first.
    """
    parts: list[RenderableType] = [headline(decision, value_text(decision.value))]
    if decision.explanation and not decision.HasField("value"):
        parts.append(Text(decision.explanation))
    if words := method_words(decision):
        parts.append(Text(f"by {words}", style="cyan"))
    if decision.ballots or decision.late or decision.missing:
        parts += [ballot_table(decision), dissent_view(decision)]
    if decision.HasField("escalation"):
        parts.append(escalation_view(decision))
    return Group(*parts)


def _counted(decision: Decision) -> str:
    """Method and versions, as far as there are any."""
    parts = []
    if decision.method:
        parts.append(f"method {enum_word(Method.Name, decision.method, 'METHOD_').lower()}")
    if decision.weights_version:
        parts.append(f"weights version {decision.weights_version}")
    return ", ".join([*parts, f"revision {decision.revision}"])


def small_print(decision: Decision) -> Text:
    """The aggregator's own words, cost, models, trace."""
    cost = decision.cost
    models = sorted({(b.model.name, b.model.digest[:19]) for b in decision.ballots if b.model.name})
    lines = [decision.explanation] if decision.HasField("value") and decision.explanation else []
    if not decision.HasField("settlement"):
        # What a person makes of a decision costs no tokens.
        lines.append(
            f"cost: {cost.prompt_tokens} prompt and {cost.completion_tokens} completion tokens of"
            f" {cost.assignments} assignments, agents worked {cost.worked_ms} ms"
        )
    lines.append(_counted(decision))
    if models:
        lines.append("models " + ", ".join(f"{name} {digest}" for name, digest in models))
    if decision.HasField("dead_letter"):
        letter = decision.dead_letter
        lines.append(f"the original is kept: comitia dlq show {letter.offset}")
    if decision.trace_id:
        lines.append(f"trace {decision.trace_id}")
    return Text("\n".join(lines), style="dim")
