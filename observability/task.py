"""One task: its traces, found by the task's id, beside what tasks usually take.

Metrics carry no task id, on purpose; what is particular to one task is in its trace. The search is
for Jaeger's data source of Grafana, whose query model the dashboard library does not have.
"""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard, table, text
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue
from grafana_foundation_sdk.models.text import TextMode

from comitia.telemetry.names import Attribute
from observability.board import Board
from observability.charts import Chart, quantile, quantiles

TRACES = DataSourceRef(type_val="jaeger", uid="${tracing}")
TRACES_MAX = 20
_SEARCH = "${jaeger_url}/search?service=${service}&tags=%7B%22comitia.task.id%22%3A%22${task}%22%7D"
_HELP = f"""\
`comitia explain ${{task}}` tells who sat on the panel, who voted how and why.

[Open the search in the trace backend]({_SEARCH})

No trace? Spans are made where an OTLP endpoint is configured, and only of the tasks that the
sampler takes."""


@dataclass(frozen=True, slots=True)
class Search(Dataquery, Builder[Dataquery]):
    """Jaeger's search as its data source stores it; `tags` in logfmt."""

    service: str
    tags: str

    def build(self) -> Dataquery:
        return self

    def to_json(self) -> dict[str, object]:
        return {
            "datasource": TRACES,
            "queryType": "search",
            "service": self.service,
            "tags": self.tags,
            "limit": TRACES_MAX,
        }


def _traces() -> table.Panel:
    search = Search("${service}", f"{Attribute.COMITIA_TASK_ID.value}=${{task}}")
    opened = dashboard.DashboardLink("The trace").url(
        "/explore?schemaVersion=1&panes=%7B%22t%22%3A%7B%22datasource%22%3A%22${tracing}%22%2C%22"
        "queries%22%3A%5B%7B%22refId%22%3A%22A%22%2C%22query%22%3A%22${__value.raw}%22%7D%5D%7D%7D"
    )
    return (
        table.Panel()
        .title("Traces of task ${task}")
        .description("Traces with a span of this task. Click an id to see the walk through the "
                     "services, with every agent's call of its model.")
        .datasource(TRACES)
        .with_target(search)
        .override_by_name("traceID", [DynamicConfigValue("links", [opened.build()])])
        .height(8)
        .span(16)
    )  # fmt: skip


def _help() -> text.Panel:
    return (
        text.Panel()
        .title("Its decision")
        .description("Where else to look.")
        .mode(TextMode.MARKDOWN)
        .content(_HELP)
        .height(8)
        .span(8)
    )


def _text(name: str, value: str, description: str) -> dashboard.TextBoxVariable:
    variable = dashboard.TextBoxVariable(name).label(name.replace("_", " "))
    return variable.description(description).default_value(value)


_USUAL = (
    Chart(
        "Time in each stage (p50)", "s", "Over all tasks, to compare with the one above.",
        {"{{comitia_stage}}": quantile(
            0.5, "comitia_task_stage_duration_seconds", "comitia_stage")},
    ),
    Chart(
        "Time in each stage (p95)", "s", "Over all tasks. route: until the panel is opened; inbox: "
        "until work begins; answer: until the answer is acknowledged; collect: from the panel to "
        "the last answer that counts; decide: from there to the decision.",
        {"{{comitia_stage}}": quantile(
            0.95, "comitia_task_stage_duration_seconds", "comitia_stage")},
    ),
    Chart(
        "From task to decision", "s", "Over all tasks.", quantiles("comitia_task_duration_seconds"),
    ),
)  # fmt: skip

BOARD = Board(
    "task",
    "One task",
    "The traces of one task, found by its id, beside what tasks usually take.",
    {"This task": (_traces(), _help()), "All tasks": _USUAL},
    [
        dashboard.DatasourceVariable("tracing")
        .label("traces")
        .description("The Jaeger that receives the spans.")
        .type("jaeger"),
        _text("task", "", "Id of the task."),
        _text("service", "comitia-router", "A service that saw the task; Jaeger asks for one."),
        _text("jaeger_url", "http://127.0.0.1:16686", "Where a browser reaches Jaeger."),
    ],
)
