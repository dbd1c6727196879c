"""What all dashboards draw with: a chart as data, and the panel that Grafana makes of it.

In: `Chart`s, whose expressions use the metrics of comitia.telemetry.names in Prometheus' spelling.
Out: builders of panels. Each chart has a unit and a description; limits are the ones at which an
alert of charts/comitia/rules speaks up, where there is one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode

METRICS = DataSourceRef(type_val="prometheus", uid="${datasource}")
# Every expression has it, so that a board shows one installation. Outside Kubernetes nothing has a
# namespace, which All takes too.
JOB = 'job=~"$job", namespace=~"$namespace"'
# Four scrapes at least, so that a rate has two samples to go by.
WINDOW = "$__rate_interval"

GOOD, WARNING, BAD = "green", "orange", "red"


@dataclass(frozen=True, slots=True)
class Chart:
    """`queries`: legend -> PromQL. `limits`: value -> colour from there on; below the first the
    colour is `base`. `width` in 24ths of the page.
    """

    title: str
    unit: str
    description: str
    queries: Mapping[str, str]
    limits: Mapping[float, str] | None = None
    base: str = GOOD
    kind: Literal["lines", "stack", "number"] = "lines"
    width: int = 8


Panel = timeseries.Panel | stat.Panel


def panel(chart: Chart) -> Panel:
    """The builder of a chart's panel."""
    drawn = _number(chart) if chart.kind == "number" else _lines(chart)
    for legend, expression in chart.queries.items():
        query = prometheus.Dataquery().expr(expression).legend_format(legend).datasource(METRICS)
        drawn.with_target(query.instant() if chart.kind == "number" else query.range())
    steps = [Threshold(value=None, color=chart.base)]
    steps += [
        Threshold(value=value, color=colour) for value, colour in (chart.limits or {}).items()
    ]
    thresholds = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    return (
        drawn.title(chart.title)
        .description(chart.description)
        .unit(chart.unit)
        .datasource(METRICS)
        .thresholds(thresholds)
        .height(4 if chart.kind == "number" else 8)
        .span(chart.width)
    )


def _number(chart: Chart) -> stat.Panel:
    return (
        stat.Panel()
        .color_mode(BigValueColorMode.VALUE if chart.limits else BigValueColorMode.NONE)
        .graph_mode(BigValueGraphMode.NONE)
        .no_value("none yet")
    )


def _lines(chart: Chart) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.TABLE)
    legend = (
        legend.placement(LegendPlacement.BOTTOM).show_legend(True).calcs(["lastNotNull", "max"])
    )
    drawn = (
        timeseries.Panel()
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .min(0)
        .span_nulls(False)
    )
    if chart.limits:
        mode = GraphThresholdsStyleMode.DASHED
        drawn.thresholds_style(common.GraphThresholdsStyleConfig().mode(mode))
    if chart.kind == "stack":
        drawn.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(30)
    return drawn


def rate(metric: str, by: str = "") -> str:
    """Per second, summed over processes."""
    return f"sum{_by(by)}(rate({metric}{{{JOB}}}[{WINDOW}]))"


def share(metric: str, chosen: str, by: str = "", among: str = "") -> str:
    """Of a counter's rate where labels match `among`, the part that matches `chosen`: 0 to 1."""
    part, whole = (
        f"sum{_by(by)}(rate({metric}{{{', '.join(filter(None, (JOB, labels)))}}}[{WINDOW}]))"
        for labels in (chosen, among)
    )
    return f"{part} / {whole}"


def mean(metric: str, by: str = "") -> str:
    """Of a histogram's observations."""
    return f"{rate(f'{metric}_sum', by)} / {rate(f'{metric}_count', by)}"


def quantile(q: float, metric: str, by: str = "") -> str:
    """Of a histogram's observations, over all processes."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q:g}, {rate(f'{metric}_bucket', labels)})"


def total(metric: str, by: str = "") -> str:
    """A gauge, summed over processes; or a counter of rare events since they started, whose rate
    would not show the first one.
    """
    return f"sum{_by(by)}({metric}{{{JOB}}})"


def quantiles(metric: str) -> dict[str, str]:
    """Queries of the usual three."""
    return {f"p{q * 100:g}": quantile(q, metric) for q in (0.5, 0.95, 0.99)}


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""
