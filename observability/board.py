"""One dashboard: its name, its variables, links to the others, rows of charts; and its JSON.

In: a `Board`. Out: JSON that Grafana provisions from a file or a ConfigMap. The same code gives the
same bytes, so a test can compare what is committed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.dashboard import Panel as PanelModel

from observability.charts import METRICS, Chart, panel

TAG = "comitia"
Item = Chart | Builder[PanelModel]


@dataclass(frozen=True, slots=True)
class Board:
    """`rows`: heading -> what stands under it. `variables` come after datasource, namespace and
    job.
    """

    name: str
    title: str
    description: str
    rows: Mapping[str, Sequence[Item]]
    variables: Sequence[Builder[VariableModel]] = ()


def render(board: Board) -> str:
    """JSON, ending with a newline."""
    drawn = (
        dashboard.Dashboard(f"Comitia / {board.title}")
        .uid(f"comitia-{board.name}")
        .description(board.description)
        .tags([TAG])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables(
            [
                _datasource(),
                labels("namespace", "Kubernetes namespaces.", "comitia_ready").all_value(".*"),
                labels("job", "Jobs of one installation.", "comitia_ready"),
            ]
        )
        .link(_others())
        .readonly()
    )
    for variable in board.variables:
        drawn.with_variable(variable)
    for heading, items in board.rows.items():
        drawn.with_row(dashboard.Row(heading))
        for item in items:
            drawn.with_panel(panel(item) if isinstance(item, Chart) else item)
    model = drawn.build()
    for number, one in enumerate(model.panels or (), 1):
        one.id_val = number
    return json.dumps(model, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def labels(label: str, description: str, metric: str) -> dashboard.QueryVariable:
    """A choice among the values that `label` has on `metric`; all of them at first."""
    return (
        dashboard.QueryVariable(label.removeprefix("comitia_"))
        .label(label.removeprefix("comitia_"))
        .description(description)
        .datasource(METRICS)
        .query({"query": f"label_values({metric}, {label})", "refId": label, "qryType": 1})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _datasource() -> dashboard.DatasourceVariable:
    return (
        dashboard.DatasourceVariable("datasource")
        .label("datasource")
        .description("The Prometheus that scrapes the services.")
        .type("prometheus")
    )


def _others() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Comitia")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )
