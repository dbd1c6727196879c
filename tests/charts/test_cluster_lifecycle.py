"""A release's life on a real API server, with every helm: installed with its hooks, tested,
upgraded, rolled back, and gone.
"""

import json
from typing import Any

import pytest

from tests.charts import tools
from tests.charts.chart_support import HELMS, VALUES
from tests.charts.cluster import Cluster

NAME = f"{tools.RELEASE}-comitia"
MINIMAL = ("--values", str(VALUES["minimal"]))
MORE = {
    "router": {"replicas": 3, "env": {"COMITIA_SEATS_MAX": 9}},
    "agents": {"librarian": {"model": "minilm-l6-v2"}},
}
PAIRS = ("router", "aggregator", "learner")
PODS = {f"{NAME}-{each}-{number}" for each in PAIRS for number in (0, 1)}


def hooks(cluster: Cluster) -> dict[str, str]:
    """How each hook of the release went."""
    status = json.loads(cluster.helm("status", "--output", "json").stdout)
    found: list[dict[str, Any]] = status["hooks"]
    return {hook["name"]: hook["last_run"].get("phase", "") for hook in found}


def seats(cluster: Cluster) -> list[str]:
    """COMITIA_SEATS_MAX, wherever the router has it."""
    (router,) = cluster.get("statefulsets", "--selector=app.kubernetes.io/component=router")
    (container,) = router["spec"]["template"]["spec"]["containers"]
    return [each["value"] for each in container["env"] if each["name"] == "COMITIA_SEATS_MAX"]


def agents(cluster: Cluster) -> set[str]:
    return {item["metadata"]["labels"]["comitia.io/agent"] for item in cluster.get("deployments")}


@pytest.mark.parametrize("helm", HELMS)
def test_a_release_comes_changes_goes_back_and_leaves_nothing(
    helm: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM", HELMS[helm])
    done = cluster.apply("install", *MINIMAL)
    assert done.returncode == 0, done.stderr
    assert f"helm test -n {cluster.namespace} {tools.RELEASE}" in done.stdout
    ran = hooks(cluster)
    assert ran[f"{NAME}-doctor"] == ran[f"{NAME}-topics"] == "Succeeded"
    # What the Jobs made is gone, and what stays is ready.
    assert not cluster.get("jobs")
    assert set(cluster.pods()) > PODS
    assert (agents(cluster), seats(cluster)) == ({"critic"}, [])

    done = cluster.helm("test", "--logs", "--timeout", "60s")
    assert done.returncode == 0, done.stderr
    assert hooks(cluster)[f"{NAME}-test"] == "Succeeded"

    done = cluster.apply("upgrade", *MINIMAL, over=MORE)
    assert done.returncode == 0, done.stderr
    assert (agents(cluster), seats(cluster)) == ({"critic", "librarian"}, ["9"])
    assert set(cluster.pods()) > PODS | {f"{NAME}-router-2"}

    done = cluster.helm("rollback", "1", "--wait", "--timeout", "120s")
    assert done.returncode == 0, done.stderr
    assert (agents(cluster), seats(cluster)) == ({"critic"}, [])

    done = cluster.helm("uninstall", "--wait", "--cascade", "foreground")
    assert done.returncode == 0, done.stderr
    # Kept for its log, as the notes on installing say.
    assert cluster.everything() == {f"pod/{NAME}-test"}


def test_topics_of_strimzi_outlive_the_release(cluster: Cluster) -> None:
    if "kafkatopics" not in cluster.kubectl("api-resources", "--api-group=kafka.strimzi.io"):
        pytest.skip("the cluster has no kafka.strimzi.io/v1: install those CRDs")
    done = cluster.apply("install", "--values", str(VALUES["strimzi"]))
    assert done.returncode == 0, done.stderr
    topics = {item["metadata"]["name"] for item in cluster.get("kafkatopics")}
    assert f"{NAME}-decisions" in topics
    assert len(cluster.get("kafkausers")) == 7

    assert cluster.helm("uninstall", "--wait").returncode == 0
    assert {item["metadata"]["name"] for item in cluster.get("kafkatopics")} == topics
    assert not cluster.get("kafkausers")
    # And the next release of the name takes them as its own.
    done = cluster.apply("install", "--values", str(VALUES["strimzi"]))
    assert done.returncode == 0, done.stderr
