"""What the Prometheus operator, Grafana's sidecar and KEDA are given: files of the chart as they
are, and names that exist.
"""

import json
import re
from typing import Any

import pytest
import yaml

from comitia.telemetry.metrics import METRICS
from tests.charts import tools
from tests.charts.chart_support import needs_helm, objects, of_kind, rendered

pytestmark = needs_helm
DASHBOARDS = sorted((tools.CHART / "dashboards").glob("*.json"))
RULES = sorted((tools.CHART / "rules").glob("*.yaml"))


@pytest.fixture(scope="module")
def found() -> list[tools.Manifest]:
    return objects(rendered("keda-monitoring"))


def labels(item: tools.Manifest) -> dict[str, str]:
    found: dict[str, str] = item["metadata"]["labels"]
    return found


def test_rules_are_those_of_the_files(found: list[tools.Manifest]) -> None:
    (rule,) = of_kind(found, "PrometheusRule")
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    assert groups and rule["spec"]["groups"] == groups
    assert labels(rule)["release"] == "prometheus"


def test_dashboards_are_those_of_the_files(found: list[tools.Manifest]) -> None:
    maps = {
        name: json.loads(text)
        for item in of_kind(found, "ConfigMap")
        if labels(item).get("grafana_dashboard") == "1"
        for name, text in item["data"].items()
    }
    assert DASHBOARDS
    assert maps == {f"comitia-{path.name}": json.loads(path.read_text()) for path in DASHBOARDS}


def test_every_service_is_scraped_at_a_port_that_its_pods_have(
    found: list[tools.Manifest],
) -> None:
    (monitor,) = of_kind(found, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = [item for item in of_kind(found, "Service") if wanted <= labels(item).items()]
    workloads = [item for item in found if item["kind"] in ("Deployment", "StatefulSet")]
    assert len(services) == len(workloads) == 6
    (endpoint,) = monitor["spec"]["endpoints"]
    for service in services:
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        selected = service["spec"]["selector"].items()
        (workload,) = (
            item
            for item in workloads
            if selected <= item["spec"]["template"]["metadata"]["labels"].items()
        )
        assert "http" in ports(workload)


def ports(workload: tools.Manifest) -> set[str]:
    pod: dict[str, Any] = workload["spec"]["template"]["spec"]
    return {port["name"] for one in pod["containers"] for port in one.get("ports", ())}


def test_agents_grow_by_work_that_nobody_has_begun(found: list[tools.Manifest]) -> None:
    deployments = {item["metadata"]["name"]: item for item in of_kind(found, "Deployment")}
    scaled = {
        item["spec"]["scaleTargetRef"]["name"]: item for item in of_kind(found, "ScaledObject")
    }
    name = f"{tools.RELEASE}-comitia-agent"
    assert set(scaled) == {f"{name}-critic", f"{name}-librarian"}
    thresholds = set()
    for target, item in scaled.items():
        # A number of replicas of one's own would undo what the scaler did at every upgrade.
        assert "replicas" not in deployments[target]["spec"]
        (trigger,) = item["spec"]["triggers"]
        metric, agent = re.fullmatch(
            r'sum\((\w+){namespace="comitia", comitia_agent="([\w-]+)"}\)',
            trigger["metadata"]["query"],
        ).groups()  # type: ignore[union-attr]
        assert target == f"{name}-{agent}"
        assert metric in {each.name.replace(".", "_") for each in METRICS}
        thresholds.add(trigger["metadata"]["threshold"])
    assert thresholds == {"64", "200"}
    (hpa,) = of_kind(found, "HorizontalPodAutoscaler")
    assert hpa["spec"]["scaleTargetRef"]["name"] == f"{name}-labeller"


def test_nothing_of_an_operator_is_made_unasked() -> None:
    groups = {item["apiVersion"].split("/")[0] for item in objects(rendered("minimal"))}
    assert groups == {"v1", "apps", "batch", "policy", "networking.k8s.io"}
