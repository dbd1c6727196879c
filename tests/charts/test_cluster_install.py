"""Every values file of CI on a real API server: all objects are admitted where only restricted pods
are, and all pods are really made.

Fake nodes run no container: that images start, that probes answer and that policies hold is not
shown here.
"""

import pytest

from tests.charts import tools
from tests.charts.chart_support import VALUES, objects
from tests.charts.cluster import Cluster, kubectl

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


def prepare(name: str, cluster: Cluster) -> None:
    """Make what values refer to. Skips where the cluster lacks an operator's kinds, or a GPU."""
    missing = set(OPERATORS.get(name, ())) - set(kubectl("api-versions").split())
    if missing:
        pytest.skip(f"the cluster has no {', '.join(sorted(missing))}: install those CRDs")
    if name == "models-pvc":
        cluster.kubectl("apply", "--filename", "-", given=CLAIM)
    if name == "gpu":
        path = "jsonpath={.items[?(@.status.allocatable.nvidia\\.com/gpu)].metadata.name}"
        nodes = kubectl("get", "nodes", "--output", path).split()
        if not nodes:
            pytest.skip("the cluster has no node with nvidia.com/gpu")
        # As the discovery of GPU features labels it.
        kubectl("label", "node", *nodes, "nvidia.com/gpu.present=true", "--overwrite")
        kubectl("apply", "--filename", "-", given=RUNTIME)


@pytest.mark.parametrize("name", VALUES)
def test_all_is_admitted_and_every_pod_is_made(name: str, cluster: Cluster) -> None:
    prepare(name, cluster)
    done = cluster.apply("install", "--values", str(VALUES[name]))
    assert done.returncode == 0, done.stderr
    # A workload whose pods would break Pod Security is admitted, with a warning.
    assert "warning" not in done.stderr.lower(), done.stderr

    pods = cluster.pods()
    made = objects(manifest(cluster))
    assert pods and all(pods.values()), pods
    assert len(pods) == sum(map(replicas, made))
    there = cluster.kubectl("get", "--filename", "-", "--output=name", given=manifest(cluster))
    assert len(there.split()) == len(made)


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
