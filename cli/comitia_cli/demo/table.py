"""The demo on a screen: one line per decision with its votes and its dissent, and the closing
table. Values in, rich objects out.
"""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from comitia_cli.demo.evaluate import Case, Report, Score

TEXT_WIDTH = 60


def case_line(case: Case) -> Text:
    """Right or wrong, the decision, the votes behind it, who dissented, and the beginning of the
    text.
    """
    line = Text(no_wrap=True, overflow="ellipsis")
    right = case.decided == case.item.label
    line.append("+ " if right else "- ", style="bold green" if right else "bold red")
    line.append(f"{case.decided or _outcome(case):<9}", style="bold")
    cast = [vote for vote in case.votes.values() if vote is not None]
    agree = sum(vote == case.decided for vote in cast)
    line.append(f" {agree}:{len(cast) - agree}")
    others = [
        _dissent(agent, vote) for agent, vote in sorted(case.votes.items()) if vote != case.decided
    ]
    line.append(
        f"  {', '.join(others) if others else 'unanimous'}", style="yellow" if others else "dim"
    )
    text = " ".join(case.item.text.split())
    short = text if len(text) <= TEXT_WIDTH else text[: TEXT_WIDTH - 1] + "…"
    line.append(f"  {short}", style="dim")
    return line


def report_view(report: Report) -> RenderableType:
    """The closing table, and beneath it speed, models and an honest sentence on what voting
    gained.
    """
    table = Table(title=f"{report.items} items of {report.dataset}, seed {report.seed}")
    table.add_column("who")
    table.add_column("right", justify="right")
    table.add_column("accuracy", justify="right")
    table.add_column("95 % interval (Wilson)", justify="right")
    table.add_column("no answer", justify="right")
    for agent in report.agents:
        table.add_row(*_row(agent))
    table.add_section()
    for vote in (report.plurality, report.pool):
        table.add_row(*_row(vote), style="bold")
    return Group(table, *_beneath(report))


def _row(score: Score) -> tuple[str, ...]:
    missing = score.asked - score.answered
    return (
        score.name,
        str(score.right),
        f"{score.accuracy:.3f}",
        f"{score.low:.3f} to {score.high:.3f}",
        str(missing) if missing else "",
    )


def _beneath(report: Report) -> list[Text]:
    lines = []
    best = max(report.agents, key=lambda agent: agent.right, default=None)
    for vote in (report.plurality, report.pool):
        if best is not None:
            won, lost = report.gained[vote.name]
            points = 100 * (vote.accuracy - best.accuracy)
            lines.append(
                f"{vote.name}: {points:+.1f} points against the best agent ({best.name}): "
                f"{won} items put right, {lost} put wrong"
            )
    lines.append(
        f"{report.decisions_per_s:.1f} decisions/s, {report.tokens_per_s:.0f} tokens/s computed; "
        f"{report.cached_tokens:,} more came from prefilled prompts"
    )
    unusual = [
        f"{count} {name}" for name, count in sorted(report.statuses.items()) if name != "DECIDED"
    ]
    if unusual:
        lines.append("not decided: " + ", ".join(unusual))
    for model in report.models:
        lines.append(
            f"{model.name} ({model.form}): {model.attention_nodes} fused attention nodes, "
            f"{model.digest}"
        )
    return [Text(line) for line in lines]


def _dissent(agent: str, vote: str | None) -> str:
    return f"{agent} {vote if vote is not None else 'abstained'}"


def _outcome(case: Case) -> str:
    return "tie" if case.decision.tied else "none"
