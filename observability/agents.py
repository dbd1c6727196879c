"""Agents: what becomes of their seats, how much work waits, and how fast their models are."""

from observability.board import Board, labels
from observability.charts import (
    BAD,
    JOB,
    WARNING,
    WINDOW,
    Chart,
    mean,
    quantile,
    rate,
)

_AGENT = f'{JOB}, comitia_agent=~"$agent"'
_SEATS = f"comitia_seats_total{{{_AGENT}}}"
_ABSENT = f'comitia_seats_total{{{_AGENT}, comitia_outcome=~"late|missing"}}'
_DONE = f'comitia_seats_total{{{_AGENT}, comitia_outcome!="missing"}}'
_UNSTARTED = f"sum by (comitia_agent) (comitia_assignments_unstarted{{{_AGENT}}})"


def _by_agent(series: str) -> str:
    return f"sum by (comitia_agent) (rate({series}[{WINDOW}]))"


_SEATED = (
    Chart(
        "Seats by outcome", "ops", "Seats of decided tasks per second. late: answered after the "
        "deadline; missing: not at all; not_awaited: the outcome was clear without it.",
        {"{{comitia_outcome}}": f"sum by (comitia_outcome) (rate({_SEATS}[{WINDOW}]))"},
        kind="stack", width=12,
    ),
    Chart(
        "Late or missing, by agent", "percentunit", "Share of an agent's seats whose answer did "
        "not count in time.",
        {"{{comitia_agent}}": f"{_by_agent(_ABSENT)} / {_by_agent(_SEATS)}"},
        {0.2: WARNING}, width=12,
    ),
)  # fmt: skip
_WORK = (
    Chart(
        "Work not begun", "short", "Assignments that no worker of the agent has begun, in the "
        "inbox and in the process. What KEDA scales by.",
        {"{{comitia_agent}}": _UNSTARTED},
    ),
    Chart(
        "Time to work that off", "s", "Work not begun, divided by the seats that the agent is done "
        "with per second. Beyond the tasks' timeout it is for nothing.",
        {"{{comitia_agent}}": f"{_UNSTARTED} / {_by_agent(_DONE)}"},
        {120: WARNING, 600: BAD},
    ),
    Chart(
        "Work in the processes", "short", "begun: answers being made; waiting: fetched and not "
        "begun.",
        {
            "{{comitia_agent}} begun":
                f"sum by (comitia_agent) (comitia_assignments_in_flight{{{_AGENT}}})",
            "{{comitia_agent}} waiting":
                f"sum by (comitia_agent) (comitia_assignments_waiting{{{_AGENT}}})",
        },
    ),
    Chart(
        "Assignments not worked on", "ops", "Dropped per second, by reason: the task had ended, "
        "or its deadline had passed.",
        {"{{comitia_agent}} {{comitia_reason}}": "sum by (comitia_agent, comitia_reason) "
            f"(rate(comitia_assignments_dropped_total{{{_AGENT}}}[{WINDOW}]))"},
        kind="stack", width=12,
    ),
    Chart(
        "Time in the inbox and at work (p95)", "s", "inbox: assignment appended to work begun; "
        "answer: work begun to answer acknowledged. Over all agents.",
        {"{{comitia_stage}}": "histogram_quantile(0.95, sum by (le, comitia_stage) (rate("
            f'comitia_task_stage_duration_seconds_bucket{{{JOB}, comitia_stage=~"inbox|answer"}}'
            f"[{WINDOW}])))"},
        width=12,
    ),
)  # fmt: skip
_MODEL = "gen_ai_request_model"
_MODELS = (
    Chart(
        "Tokens", "ops", "Tokens per second, read (input) and written (output).",
        {"{{gen_ai_request_model}} {{gen_ai_token_type}}": rate(
            "gen_ai_client_token_usage_sum", f"{_MODEL}, gen_ai_token_type")},
        kind="stack",
    ),
    Chart(
        "Time to the first token", "s", "From the request to the first token that the model "
        "writes, queueing included.",
        {f"{{{{{_MODEL}}}}} p{q * 100:g}": quantile(
            q, "gen_ai_server_time_to_first_token_seconds", _MODEL) for q in (0.5, 0.95)},
    ),
    Chart(
        "Time per further token", "s", "Mean time of each token after the first.",
        {"{{gen_ai_request_model}}": mean("gen_ai_server_time_per_output_token_seconds", _MODEL)},
    ),
    Chart(
        "One call of a model (p95)", "s", "chat writes or scores, embeddings compare.",
        {"{{gen_ai_request_model}} {{gen_ai_operation_name}}": quantile(
            0.95, "gen_ai_client_operation_duration_seconds", f"{_MODEL}, gen_ai_operation_name")},
        width=12,
    ),
    Chart(
        "Rows of a batch", "short", "Sequences that the engine takes through the model in one "
        "step; more rows, more tokens per second.",
        {
            "{{gen_ai_request_model}} mean": mean("comitia_model_batch_size", _MODEL),
            "{{gen_ai_request_model}} p95": quantile(0.95, "comitia_model_batch_size", _MODEL),
        },
        width=12,
    ),
)  # fmt: skip
_PROMPTS = f"comitia_model_prompt_tokens_total{{{JOB}}}"
_CACHED = f'comitia_model_prompt_tokens_total{{{JOB}, comitia_source="cache"}}'
_ENGINES = (
    Chart(
        "Engine at work", "percentunit", "Share of time that the engine spends in steps, over its "
        "processes. Near 100 %, more pods help, or more cores.",
        {"{{gen_ai_request_model}}": f"sum by ({_MODEL}) (rate("
            f"comitia_model_step_duration_seconds_sum{{{JOB}}}[{WINDOW}])) / count by ({_MODEL}) ("
            f"comitia_model_step_duration_seconds_sum{{{JOB}}})"},
        {0.95: WARNING},
    ),
    Chart(
        "Taken of the engine", "percentunit", "Mean over steps. sequences: of those that it works "
        "on together; cache: tokens reserved for them and for kept prefixes. Full, work waits.",
        {"{{gen_ai_request_model}} {{comitia_resource}}": mean(
            "comitia_model_occupancy", f"{_MODEL}, comitia_resource")},
    ),
    Chart(
        "Prompts from the cache", "percentunit", "Share of the prompts' tokens that did not have "
        "to be read because an earlier prompt began alike.",
        {"{{gen_ai_request_model}}": f"sum by ({_MODEL}) (rate({_CACHED}[{WINDOW}])) / "
            f"sum by ({_MODEL}) (rate({_PROMPTS}[{WINDOW}]))"},
    ),
    Chart(
        "Tokens of a step", "short", "Mean over the steps that had any. input: of prompts and "
        "options; output: of texts being written.",
        {"{{gen_ai_request_model}} {{gen_ai_token_type}}": mean(
            "comitia_model_batch_tokens", f"{_MODEL}, gen_ai_token_type")},
        width=12,
    ),
    Chart(
        "Time of a step", "s", "A step writes one token of each text that is being written.",
        {f"{{{{{_MODEL}}}}} p{q * 100:g}": quantile(
            q, "comitia_model_step_duration_seconds", _MODEL) for q in (0.5, 0.95)},
        width=12,
    ),
)  # fmt: skip

BOARD = Board(
    "agents",
    "Agents",
    "What becomes of the agents' seats, how much work waits, and how fast their models are.",
    {"Seats": _SEATED, "Work": _WORK, "Models": _MODELS, "Engines": _ENGINES},
    [labels("comitia_agent", "Agents with work or seats.", "comitia_seats_total")],
)
