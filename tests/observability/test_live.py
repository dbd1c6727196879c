"""Every expression that we ship returns series from a Prometheus that scrapes real services.

One panel on Apache Kafka lives through all that a metric counts; then each expression is asked. A
metric that is renamed, or that nothing measures, fails here by the name of the panel or the rule.
"""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.panel_support import Processes
from tests.integration.test_agent_panel import DECODER, built
from tests.observability.expressions import (
    Expression,
    alerts,
    names,
    of_dashboards,
    of_rules,
    recorded,
)
from tests.observability.live_panel import Panel, Ports
from tests.observability.prometheus_server import Prometheus

PATIENCE_S = 30
# What Grafana fills in.
VARIABLES = {"$job": "comitia.+", "$namespace": ".*", "$agent": ".+", "$__rate_interval": "5m"}
_SET = re.compile(r"\b(?:and|or|unless)\b(?:\s+on\s*\([^)]*\))?")
_COMPARISON = re.compile(r"==|!=|>=|<=|>|<")


@pytest.fixture(scope="module")
def prometheus(
    broker: str, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """One that has seen everything."""
    built(DECODER, cache_dir)
    folder, ports = tmp_path_factory.mktemp("watched"), Ports()
    with (
        Prometheus(folder, ports.prometheus, ports.targets()) as server,
        Processes(folder, broker, cache_dir) as processes,
    ):
        panel = Panel(processes, ports, server)
        panel.start()
        asyncio.run(panel.live())
        yield server


def operands(promql: str) -> list[str]:
    """What an expression compares and combines, outside of parentheses: each must have series,
    though together they have none while all is well.
    """
    flat, depth = [], 0
    for sign in re.sub(r'"(?:[^"\\]|\\.)*"', lambda text: "~" * len(text[0]), promql):
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(sign, 0)
        flat.append("~" if depth and sign not in "(" else sign)
    cuts = [match.span() for form in (_SET, _COMPARISON) for match in form.finditer("".join(flat))]
    parts, start = [], 0
    for begin, end in sorted(cuts):
        parts.append(promql[start:begin])
        start = end
    return [part.strip() for part in [*parts, promql[start:]] if names(part)]


def test_an_expression_is_taken_apart_where_it_compares_and_combines() -> None:
    promql = 'sum by (a) (x{b=~"c|d", e!="or"}) / y > 0.2\nand on (a) (z > 1 or w) unless v[5m]'
    assert operands(promql) == [
        'sum by (a) (x{b=~"c|d", e!="or"}) / y',
        "(z > 1 or w)",
        "v[5m]",
    ]


@pytest.mark.parametrize("expression", [*of_dashboards()], ids=lambda one: one.place)
def test_a_panel_has_something_to_show(prometheus: Prometheus, expression: Expression) -> None:
    promql = expression.promql
    for variable, value in VARIABLES.items():
        promql = promql.replace(variable, value)
    prometheus.until(promql, PATIENCE_S)


@pytest.mark.parametrize("expression", [*of_rules()], ids=lambda one: one.place)
def test_a_rule_has_something_to_judge(prometheus: Prometheus, expression: Expression) -> None:
    judged = operands(expression.promql) if expression.place[0].isupper() else [expression.promql]
    assert judged
    for promql in judged:
        prometheus.until(promql, PATIENCE_S)


@pytest.mark.parametrize("record", sorted(recorded()))
def test_a_recorded_series_is_there(prometheus: Prometheus, record: str) -> None:
    prometheus.until(record, PATIENCE_S)


@pytest.mark.parametrize(
    "alert", ["ComitiaDeadLetters", "ComitiaFeedbackLost", "ComitiaRecordsLost"]
)
def test_what_happened_is_told(prometheus: Prometheus, alert: str) -> None:
    firing = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
    prometheus.until(firing, PATIENCE_S)
    assert prometheus.alerts()[alert] == "firing"
    assert alert in {one["alert"] for one in alerts()}
