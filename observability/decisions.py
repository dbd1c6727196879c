"""Decisions: how they end, how clear they are, who dissents, and who is not heard."""

from observability.board import Board
from observability.charts import (
    BAD,
    GOOD,
    WARNING,
    Chart,
    mean,
    quantile,
    rate,
    share,
    total,
)

_SEATS = "comitia_seats_total"
_DISSENTED = 'comitia_outcome="dissented"'
_VOTED = 'comitia_outcome=~"agreed|dissented"'

_ENDINGS = (
    Chart(
        "Endings by status", "ops", "Decisions per second, one colour for each status.",
        {"{{comitia_status}}": rate("comitia_decisions_total", "comitia_status")},
        kind="stack",
    ),
    Chart(
        "Endings that help nobody", "percentunit", "Share of FAILED, OVERLOADED, NO_AGENT and "
        "EXPIRED, and of NO_QUORUM, among all endings.",
        {
            "failed": share("comitia_decisions_total",
                'comitia_status=~"FAILED|OVERLOADED|NO_AGENT|EXPIRED"'),
            "no quorum": share("comitia_decisions_total", 'comitia_status="NO_QUORUM"'),
        },
        {0.05: WARNING, 0.25: BAD},
    ),
    Chart(
        "From task to decision, by status (p95)", "s", "A panel that waits for everybody ends at "
        "its deadline when somebody is missing.",
        {"{{comitia_status}}": quantile(0.95, "comitia_task_duration_seconds", "comitia_status")},
    ),
)  # fmt: skip
_CLARITY = (
    Chart(
        "Agreement", "percentunit", "Share of the counted votes for the winner: mean, and what "
        "nine of ten decisions exceed.",
        {"mean": mean("comitia_decision_agreement"),
         "p10": quantile(0.1, "comitia_decision_agreement")},
        {0.5: WARNING, 0.67: GOOD}, base=BAD,
    ),
    Chart(
        "Margin", "percentunit", "Winner's share less the runner-up's: near 0 another answer "
        "would have turned it.",
        {"mean": mean("comitia_decision_margin"), "p10": quantile(0.1, "comitia_decision_margin")},
        {0.1: WARNING, 0.25: GOOD}, base=BAD,
    ),
    Chart(
        "Dissent", "percentunit", "Share of the votes that went to another answer than the "
        "winner, over all agents.",
        {"all": share(_SEATS, _DISSENTED, among=_VOTED)},
        {0.33: WARNING, 0.5: BAD},
    ),
)  # fmt: skip
_CONFLICTS = (
    Chart(
        "Steps behind the vote", "ops", "Steps per second that policies list, by kind and whether "
        "they were taken: how often the first vote was not enough.",
        {"{{comitia_step}} {{comitia_outcome}}":
            rate("comitia_steps_total", "comitia_step, comitia_outcome")},
        kind="stack",
    ),
    Chart(
        "Waiting for a person", "short", "Open conflicts: `comitia conflicts` lists them.",
        {"open": total("comitia_conflicts_open")},
    ),
    Chart(
        "Conflicts that ended", "short", "Since the aggregators started: settled by a person, or "
        "expired by the rule of their policy.",
        {"{{comitia_outcome}}": total("comitia_revisions_total", "comitia_outcome")},
    ),
)  # fmt: skip
_HEARD = (
    Chart(
        "Dissent by agent", "percentunit", "Share of an agent's seats that voted against the "
        "winner. An agent that stands out is wrong, or the only one that is right.",
        {"{{comitia_agent}}": share(_SEATS, _DISSENTED, "comitia_agent")},
    ),
    Chart(
        "Late", "percentunit", "Share of an agent's seats whose answer came after the deadline.",
        {"{{comitia_agent}}": share(_SEATS, 'comitia_outcome="late"', "comitia_agent")},
        {0.2: WARNING},
    ),
    Chart(
        "Missing", "percentunit", "Share of an agent's seats that were not answered at all.",
        {"{{comitia_agent}}": share(_SEATS, 'comitia_outcome="missing"', "comitia_agent")},
        {0.2: WARNING},
    ),
    Chart(
        "Abstained or failed", "percentunit", "Share of an agent's seats that said nothing "
        "countable: it could not tell, or it broke.",
        {"{{comitia_agent}}": share(
            _SEATS, 'comitia_outcome=~"abstained|failed"', "comitia_agent")},
        {0.2: WARNING}, width=12,
    ),
    Chart(
        "Answers that did not count", "ops", "Dropped per second, by reason: of another panel, "
        "said twice, after the end.",
        {"{{comitia_reason}}": rate("comitia_answers_dropped_total", "comitia_reason")},
        kind="stack", width=12,
    ),
)  # fmt: skip

BOARD = Board(
    "decisions",
    "Decisions",
    "How tasks end, how clear the votes are, who dissents, and who is not heard.",
    {"Endings": _ENDINGS, "Clarity": _CLARITY, "Conflicts": _CONFLICTS, "Who is heard": _HEARD},
)
