"""Every values file of CI on a real API server: all objects are admitted where only restricted pods
are, and all pods are really made.

Fake nodes run no container: that images start, that probes answer and that policies hold is not
shown here.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.charts import tools
from tests.charts.chart_support import VALUES, objects
from tests.charts.cluster import Cluster, Done, kubectl, namespace

SIDE_BY_SIDE = 4

# What must be there before, as an operator of the cluster would have it.
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: comitia-models}
spec: {accessModes: [ReadOnlyMany], resources: {requests: {storage: 1Gi}}}
"""
RUNTIME = """
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: nvidia}
handler: nvidia
"""
PRIVILEGED = """
apiVersion: v1
kind: Pod
metadata: {name: privileged}
spec: {containers: [{name: it, image: it, securityContext: {privileged: true}}]}
"""
OPERATORS = {
    "keda-monitoring": ("keda.sh/v1alpha1", "monitoring.coreos.com/v1"),
    "strimzi": ("kafka.strimzi.io/v1",),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One installation: what helm said, which pods came of it (ready or not), what the release
    consists of, and how much of that is there. `lacking`: why it was not tried.
    """

    lacking: str = ""
    done: Done | None = None
    pods: Mapping[str, bool] = field(default_factory=dict)
    made: Sequence[tools.Manifest] = ()
    there: int = 0


def prepare(name: str, cluster: Cluster) -> str:
    """Make what values refer to; or say what the cluster lacks."""
    missing = set(OPERATORS.get(name, ())) - set(kubectl("api-versions").split())
    if missing:
        return f"the cluster has no {', '.join(sorted(missing))}: install those CRDs"
    if name == "models-pvc":
        cluster.kubectl("apply", "--filename", "-", given=CLAIM)
    if name == "gpu":
        path = "jsonpath={.items[?(@.status.allocatable.nvidia\\.com/gpu)].metadata.name}"
        nodes = kubectl("get", "nodes", "--output", path).split()
        if not nodes:
            return "the cluster has no node with nvidia.com/gpu"
        # As the discovery of GPU features labels it.
        kubectl("label", "node", *nodes, "nvidia.com/gpu.present=true", "--overwrite")
        kubectl("apply", "--filename", "-", given=RUNTIME)
    return ""


def attempt(name: str) -> Attempt:
    """Install one values file into a namespace of its own."""
    with namespace() as cluster:
        if lacking := prepare(name, cluster):
            return Attempt(lacking)
        done = cluster.apply("install", "--values", str(VALUES[name]))
        if done.returncode:
            return Attempt(done=done)
        made = manifest(cluster)
        there = cluster.kubectl("get", "--filename", "-", "--output=name", given=made)
        return Attempt("", done, cluster.pods(), objects(made), len(there.split()))


@pytest.fixture(scope="module")
def attempts(server: str) -> Iterator[Mapping[str, Future[Attempt]]]:
    """All of them, a few at a time: they mostly wait."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {name: pool.submit(attempt, name) for name in VALUES}


@pytest.mark.parametrize("name", VALUES)
def test_all_is_admitted_and_every_pod_is_made(
    name: str, attempts: Mapping[str, Future[Attempt]]
) -> None:
    tried = attempts[name].result()
    if tried.lacking:
        pytest.skip(tried.lacking)
    done = tried.done
    assert done is not None and done.returncode == 0, done
    # A workload whose pods would break Pod Security is admitted, with a warning.
    assert "warning" not in done.stderr.lower(), done.stderr
    assert tried.pods and all(tried.pods.values()), tried.pods
    assert len(tried.pods) == sum(map(replicas, tried.made))
    assert tried.there == len(tried.made)


def manifest(cluster: Cluster) -> str:
    """All that the release consists of."""
    done = tools.helm("get", "manifest", tools.RELEASE, "--namespace", cluster.namespace)
    assert done.returncode == 0, done.stderr
    return done.stdout


def replicas(item: tools.Manifest) -> int:
    """Pods that an object asks for; one where a scaler is to say how many."""
    runs = item["kind"] in ("Deployment", "StatefulSet")
    return int(item["spec"].get("replicas", 1)) if runs else 0


def test_the_namespace_refuses_what_is_not_restricted(cluster: Cluster) -> None:
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        cluster.kubectl("apply", "--filename", "-", given=PRIVILEGED)
