"""docs/metrics.md from the catalogue of metrics.

In comes comitia.telemetry.metrics; out comes the page. The names under which Prometheus sees a
metric and its attributes are read off a real exposition: a point of each metric is recorded, and
what the service would answer at /metrics is parsed.

Usage: .venv/bin/python scripts/metrics_page.py [--check]
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from comitia.telemetry.histograms import POINTS_MAX
from comitia.telemetry.metric import Metric
from comitia.telemetry.metrics import GROUPS, METRICS, READY
from comitia.telemetry.setup import Telemetry, setup

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
HEAD = (
    "# Metrics\n\n"
    "Written by `make docs-metrics` from the catalogue, `comitia.telemetry.metrics`; do not edit.\n"
    "\n"
    "Each service answers `GET /metrics` in Prometheus' text format, and sends the same metrics by "
    "OTLP where\n`OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`) is set, "
    "every `OTEL_METRIC_EXPORT_INTERVAL`\nmilliseconds. Counters and histograms begin at zero with "
    "the process; a metric appears with its first point. No label\nholds the id of a task. Each "
    "metric has at most {points} sets of labels; what comes beyond is counted together under\n"
    '`otel_metric_overflow="true"`. `target_info` names the service, its instance and its version. '
    "What to watch, and what\nto do about an alert, is in [operations.md](operations.md).\n\n"
)


def sampled() -> dict[str, tuple[Family, dict[str, str]]]:
    """By OTLP name: the family that Prometheus sees, and its label for each attribute."""
    found = {}
    for metric in METRICS:
        telemetry = setup("service", "instance", {})
        if metric is not READY:
            # Histograms are exported with other metrics, and this one every service has.
            telemetry.observe(READY, lambda: [(1, {})])
        values = {attribute.value: f"value {n}" for n, attribute in enumerate(metric.attributes)}
        _point(telemetry, metric, values)
        text = telemetry.exposition().decode()
        telemetry.shutdown()
        others = {"target_info"} if metric is READY else {"target_info", "comitia_ready"}
        (family,) = (one for one in text_string_to_metric_families(text) if one.name not in others)
        labels = {value: label for label, value in family.samples[0].labels.items()}
        found[metric.name] = family, {name: labels[value] for name, value in values.items()}
    return found


def _point(telemetry: Telemetry, metric: Metric, attributes: dict[str, str]) -> None:
    if metric.kind == "counter":
        telemetry.add(metric, 1, attributes)
    elif metric.kind == "gauge":
        telemetry.observe(metric, lambda: [(1, attributes)])
    else:
        telemetry.record(metric, 1, attributes)


def exposed(family: Family) -> list[str]:
    """Names of the series of a family, as they are queried."""
    return list(dict.fromkeys(sample.name for sample in family.samples))


def page() -> str:
    """The text of docs/metrics.md."""
    families = sampled()
    lines = [HEAD.format(points=POINTS_MAX)]
    for group, metrics in GROUPS.items():
        lines.append(f"## {group}\n\n")
        for metric in metrics:
            lines += _entry(metric, *families[metric.name])
    return "".join(lines).rstrip() + "\n"


def _entry(metric: Metric, family: Family, labels: dict[str, str]) -> Iterator[str]:
    names = exposed(family)
    title = family.name if metric.kind == "histogram" else names[0]
    yield f"### `{title}`\n\n"
    yield f"{metric.description}\n\n"
    yield f"- {metric.kind}, unit `{metric.unit}`, measured by: {metric.services}\n"
    yield f"- OTLP: `{metric.name}`\n"
    if metric.kind == "histogram":
        yield f"- series: {', '.join(f'`{name}`' for name in names)}\n"
        yield f"- buckets: {', '.join(f'{bound:g}' for bound in metric.bounds)}\n"
    for attribute, values in metric.labels:
        yield f"- label `{labels[attribute]}` (`{attribute}`): {values}\n"
    yield "\n"


def main() -> int:
    """Write the page, or say whether it is what would be written."""
    parser = argparse.ArgumentParser(description="Write docs/metrics.md from the catalogue.")
    parser.add_argument("--check", action="store_true", help="only look whether it is up to date")
    wanted = page()
    if parser.parse_args().check:
        same = PAGE.read_text(encoding="utf-8") == wanted
        print("" if same else f"{PAGE} is out of date: run make docs-metrics", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
