"""The first page: is it up, does it decide, and where does time go."""

from dataclasses import replace

from observability.board import Board
from observability.charts import (
    BAD,
    GOOD,
    JOB,
    WARNING,
    Chart,
    quantile,
    quantiles,
    rate,
    share,
    total,
)
from observability.delivery import RETRIES

_NOW = (
    Chart(
        "Processes not ready", "short", "Processes whose /readyz says no: they wait for a broker, "
        "for partitions or for a fold. Those that cannot be scraped are not among them.",
        {"": f"count(comitia_ready{{{JOB}}}) - sum(comitia_ready{{{JOB}}})"},
        {1: WARNING}, kind="number", width=4,
    ),
    Chart(
        "Alerts firing", "short", "Alerts of charts/comitia/rules that fire now; each has its "
        "section in docs/operations.md.",
        {"": 'count(ALERTS{alertname=~"Comitia.*", alertstate="firing"}) or vector(0)'},
        {1: BAD}, kind="number", width=4,
    ),
    Chart(
        "Agents alive", "short", "Agents that the router may seat: a card and a heartbeat.",
        {"": f"max(comitia_agents_alive{{{JOB}}})"},
        {1: WARNING, 2: GOOD}, base=BAD, kind="number", width=4,
    ),
    Chart(
        "Decisions per second", "ops", "Tasks that end, whatever their status.",
        {"": rate("comitia_decisions_total")}, kind="number", width=4,
    ),
    Chart(
        "Decided", "percentunit", "Share of the endings that are DECIDED; the rest found no "
        "agreement, no agent or no time.",
        {"": share("comitia_decisions_total", 'comitia_status="DECIDED"')},
        {0.75: WARNING, 0.95: GOOD}, base=BAD, kind="number", width=4,
    ),
    Chart(
        "Open tasks", "short", "Tasks of which the aggregators hold the panel and no decision. "
        "At open_tasks_max of a process new ones end OVERLOADED.",
        {"": total("comitia_tasks_open")},
        {80_000: WARNING, 100_000: BAD}, kind="number", width=4,
    ),
)  # fmt: skip
_DECIDED = (
    Chart(
        "Endings by status", "ops", "Decisions per second, one colour for each status.",
        {"{{comitia_status}}": rate("comitia_decisions_total", "comitia_status")},
        kind="stack", width=12,
    ),
    Chart(
        "From task to decision", "s", "Append of the task to append of its decision, by the "
        "brokers' clock.",
        quantiles("comitia_task_duration_seconds"), width=12,
    ),
)  # fmt: skip
_WHERE = (
    Chart(
        "Time in each stage (p95)", "s", "route: until the panel is opened; inbox: until work "
        "begins; answer: until the answer is acknowledged; collect: from the panel to the last "
        "answer that counts; decide: from there to the decision. Stages overlap.",
        {"{{comitia_stage}}": quantile(
            0.95, "comitia_task_stage_duration_seconds", "comitia_stage")},
    ),
    Chart(
        "Work not begun", "short", "Assignments in the inboxes that no worker has begun.",
        {"{{comitia_agent}}": total("comitia_assignments_unstarted", "comitia_agent")},
        kind="stack",
    ),
    Chart(
        "Lag by group", "short", "Records between where a group reads and the end of its topics.",
        {"{{messaging_consumer_group_name}}": total(
            "comitia_consumer_lag", "messaging_consumer_group_name")},
        {1_000: WARNING},
    ),
)  # fmt: skip
_TROUBLE = (
    Chart(
        "Dead letters", "short", "Records that could not be processed and were kept, by reason, "
        "since the processes started; `comitia dlq` lists them.",
        {"{{comitia_reason}}": total("comitia_dead_letters_total", "comitia_reason")},
        kind="stack", width=12,
    ),
    replace(RETRIES, width=12),
)  # fmt: skip

BOARD = Board(
    "overview",
    "Overview",
    "Is Comitia up, does it decide, and where does time go.",
    {"Now": _NOW, "Decisions": _DECIDED, "Where time goes": _WHERE, "Trouble": _TROUBLE},
)
