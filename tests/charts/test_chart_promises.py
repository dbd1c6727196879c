"""What docs/kubernetes.md promises of every pod that the chart renders: how it starts and ends,
what it may do and whom it may talk to.

In come the chart's least values and every file of values that is shipped.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.charts import tools

CASES = {path.stem: path for path in (*tools.CI_VALUES, *tools.PRESETS)}
NAME = "app.kubernetes.io/component"
BASE = {("out", 53, "UDP"), ("out", 53, "TCP"), ("out", 9092, "TCP")}
SCRAPED = ("in", "http", "TCP")
INDEX = ("out", 443, "TCP")
Manifests = list[tools.Manifest]


@pytest.fixture(params=CASES)
def manifests(request: pytest.FixtureRequest) -> Manifests:
    return tools.render(CASES[request.param])


def services(manifests: Manifests) -> Manifests:
    return [each for each in manifests if each["kind"] in ("StatefulSet", "Deployment")]


def environment(container: Mapping[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def test_no_pod_has_a_token_or_rights_it_does_not_need(manifests: Manifests) -> None:
    pods = [pod for each in manifests if (pod := tools.pod_of(each)) is not None]
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for one in (*pod.get("initContainers", ()), *pod["containers"]):
            security = one["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} <= set(one["resources"])
    accounts = [each for each in manifests if each["kind"] == "ServiceAccount"]
    assert all(each["automountServiceAccountToken"] is False for each in accounts)
    assert {pod["serviceAccountName"] for pod in pods} <= {
        each["metadata"]["name"] for each in accounts
    }


def test_kubernetes_waits_longer_than_a_service_takes_to_end(manifests: Manifests) -> None:
    for each in services(manifests):
        pod = each["spec"]["template"]["spec"]
        grace_ms = int(environment(pod["containers"][0])["COMITIA_GRACE_MS"])
        assert pod["terminationGracePeriodSeconds"] * 1000 > grace_ms


def test_brokers_that_are_away_restart_nobody(manifests: Manifests) -> None:
    for each in services(manifests):
        (container,) = each["spec"]["template"]["spec"]["containers"]
        paths = {
            name: container[f"{name}Probe"]["httpGet"]["path"]
            for name in ("startup", "liveness", "readiness")
        }
        assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
        assert [port["name"] for port in container["ports"]] == ["http"]


def test_ids_in_groups_are_names_that_pods_keep(manifests: Manifests) -> None:
    for each in services(manifests):
        (container,) = each["spec"]["template"]["spec"]["containers"]
        own = environment(container).get("COMITIA_INSTANCE_ID")
        kept = {"fieldRef": {"fieldPath": "metadata.name"}}
        assert own == (kept if each["kind"] == "StatefulSet" else None)


def test_every_service_is_drained_one_pod_at_a_time(manifests: Manifests) -> None:
    budgets = {
        tuple(sorted(each["spec"]["selector"]["matchLabels"].items())): each["spec"]
        for each in manifests
        if each["kind"] == "PodDisruptionBudget"
    }
    for each in services(manifests):
        selector = tuple(sorted(each["spec"]["selector"]["matchLabels"].items()))
        assert budgets[selector]["maxUnavailable"] == 1


def ways(manifests: Manifests, component: str) -> set[tuple[str, Any, str]]:
    """(in or out, port, protocol) of all that NetworkPolicies allow the pods of `component`."""
    found = set()
    denied = set()
    for each in manifests:
        if each["kind"] != "NetworkPolicy":
            continue
        spec = each["spec"]
        labels = spec["podSelector"]["matchLabels"]
        wanted = spec["podSelector"].get("matchExpressions", [{"values": [component]}])
        if labels.get(NAME, component) != component or component not in wanted[0]["values"]:
            continue
        denied |= set(spec["policyTypes"])
        for direction, rules in (("in", spec.get("ingress")), ("out", spec.get("egress"))):
            found |= {
                (direction, port["port"], port["protocol"])
                for rule in rules or ()
                for port in rule["ports"]
            }
    assert denied == {"Ingress", "Egress"}
    return found


# Values, and what they let agents do beside names, brokers and Prometheus.
COLLECTOR = {"telemetry": {"otlpEndpoint": "http://collector:4318"}}
VOLUME = {"models": {"source": "pvc", "pvc": {"claimName": "models"}}}
OWN_INDEX = {"models": {"init": {"indexUrl": "http://index:8080/simple"}}}


@pytest.mark.parametrize(
    ("values", "more"),
    [
        ({}, {INDEX}),
        (COLLECTOR, {INDEX, ("out", 4318, "TCP")}),
        (VOLUME, set()),
        (OWN_INDEX, {("out", 8080, "TCP")}),
    ],
    ids=["least", "traces", "volume", "index"],
)
def test_pods_talk_to_whom_they_must_and_nobody_else(
    values: dict[str, Any], more: set[tuple[str, Any, str]]
) -> None:
    manifests = tools.render(tools.merged(tools.LEAST, values))
    traces = {way for way in more if way[1] == 4318}
    assert ways(manifests, "agent") == {*BASE, SCRAPED, *more}
    for service in ("router", "aggregator", "learner"):
        assert ways(manifests, service) == {*BASE, SCRAPED, *traces}
    assert ways(manifests, "setup") == ways(manifests, "test") == BASE


def test_an_embedder_is_built_beside_the_model_before_the_agent_starts() -> None:
    card = {"name": "anna", "version": 1, "description": "A test.", "model": "small"}
    card |= {"embedder": "minilm", "skills": {"s": {"choice": {"item": "{input}"}}}}
    found = tools.render(tools.merged(tools.LEAST, {"agents": {"anna": {"card": card}}}))
    (pod,) = [
        pod
        for each in found
        if each["metadata"]["name"].endswith("anna") and (pod := tools.pod_of(each)) is not None
    ]
    built = [(one["name"], one["args"][2]) for one in pod["initContainers"]]
    assert built == [("model", "small"), ("embedder", "minilm")]


def test_brokers_on_several_ports_are_all_reached() -> None:
    values = {"kafka": {"bootstrap": "a.example:9094,b.example:9095,c.example:9094"}}
    found = ways(tools.render(tools.merged(tools.LEAST, values)), "router")
    assert {port for direction, port, _ in found if direction == "out"} == {53, 9094, 9095}


def test_without_policies_there_are_none() -> None:
    values = {"networkPolicy": {"enabled": False}}
    found = tools.render(tools.merged(tools.LEAST, values))
    assert not [each for each in found if each["kind"] == "NetworkPolicy"]


def test_every_card_that_changes_changes_its_pods() -> None:
    def checksum(version: int) -> str:
        card = {"name": "mine", "version": version, "description": "d", "role": "critic"}
        card |= {"model": "m", "skills": {"answer": {"text": {"item": "{input}"}}}}
        values = {"kafka": tools.LEAST["kafka"], "agents": {"mine": {"card": card}}}
        (agent,) = [each for each in tools.render(values) if each["kind"] == "Deployment"]
        return str(agent["spec"]["template"]["metadata"]["annotations"]["comitia.io/cards"])

    assert checksum(1) == checksum(1) != checksum(2)


def test_the_user_of_the_pods_is_the_user_of_the_images(manifests: Manifests) -> None:
    text = (tools.ROOT / "Dockerfile").read_text(encoding="utf-8")
    for each in services(manifests):
        security = each["spec"]["template"]["spec"]["securityContext"]
        assert f"USER {security['runAsUser']}:{security['runAsGroup']}\n" in text
