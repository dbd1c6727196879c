"""Every PromQL expression that we ship, where it stands, and the names that it uses.

In: charts/comitia/dashboards and charts/comitia/rules. Out: `Expression`s, and the catalogue of
comitia.telemetry in Prometheus' spelling, taken from what a service would really expose.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from comitia.telemetry.metrics import METRICS
from comitia.telemetry.setup import setup

CHART = Path(__file__).parents[2] / "charts" / "comitia"
DASHBOARDS = sorted((CHART / "dashboards").glob("*.json"))
RULES = [CHART / "rules" / name for name in ("recording.yaml", "alerts.yaml")]
# Made by Prometheus itself, not by a service.
OF_PROMETHEUS = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate"}}
# Labels that the scrape adds.
OF_THE_SCRAPE = {"job", "instance", "namespace"}
_MATCHERS = re.compile(r"\{[^}]*\}")
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_RANGES = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_WORDS = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?!\w)(?!\s*\()")
_KEYWORDS = {"and", "or", "unless", "by", "bool"}


@dataclass(frozen=True, slots=True)
class Expression:
    """`place`: file, and panel or rule."""

    place: str
    promql: str


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """All but headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def of_dashboards() -> Iterator[Expression]:
    for path in DASHBOARDS:
        for panel in panels(json.loads(path.read_text(encoding="utf-8"))):
            for target in panel.get("targets", ()):
                if "expr" in target:
                    yield Expression(f"{path.stem}: {panel['title']}", target["expr"])


def rules() -> list[dict[str, Any]]:
    """Recording rules first."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def of_rules() -> Iterator[Expression]:
    for rule in rules():
        yield Expression(rule.get("alert") or rule["record"], rule["expr"])


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def names(promql: str) -> set[str]:
    """Metrics of an expression: words that are neither functions nor keywords nor labels."""
    bare = _GROUPING.sub(" ", _RANGES.sub(" ", _MATCHERS.sub(" ", _STRINGS.sub("''", promql))))
    return {word for word in _WORDS.findall(bare) if word not in _KEYWORDS}


def labels(promql: str) -> set[str]:
    """Labels that an expression chooses or groups by."""
    bare = _STRINGS.sub("''", promql)
    chosen = {
        label
        for matchers in _MATCHERS.findall(bare)
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)
    }
    grouped = {word.strip() for words in _GROUPING.findall(bare) for word in words.split(",")}
    return (chosen | grouped) - {""}


def _one_point(attributes: Mapping[str, str]) -> list[tuple[float, Mapping[str, str]]]:
    return [(1, attributes)]


@cache
def catalogue() -> dict[str, set[str]]:
    """Series that services can expose -> their labels, from an exposition of every metric."""
    telemetry = setup("catalogue", "catalogue-0", {})
    for metric in METRICS:
        attributes = {attribute.value: "x" for attribute in metric.attributes}
        if metric.kind == "counter":
            telemetry.add(metric, 1, attributes)
        elif metric.kind == "histogram":
            telemetry.record(metric, 1, attributes)
        else:
            telemetry.observe(metric, partial(_one_point, attributes))
    exposed: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(telemetry.exposition().decode()):
        for sample in family.samples:
            exposed.setdefault(sample.name, set()).update(sample.labels)
    telemetry.shutdown()
    return exposed
