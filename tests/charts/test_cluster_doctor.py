"""A doctor that finds something: nothing is installed, nothing is changed, and helm names who said
no.

Its pods are made to fail by a label that kwok knows, which an admission policy puts on them. They
have no logs there, so that helm shows what doctor said is not shown here.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.charts import tools
from tests.charts.chart_support import VALUES
from tests.charts.cluster import Cluster, kubectl

NAME = f"{tools.RELEASE}-comitia"
MINIMAL = ("--values", str(VALUES["minimal"]))
LABEL = "pod-container-running-failed.stage.kwok.x-k8s.io"
KINDS = "mutatingadmissionpolicies,mutatingadmissionpolicybindings"
POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: NAMESPACE}
spec:
  reinvocationPolicy: Never
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  matchConditions:
    - {name: doctor, expression: "object.spec.containers[0].name == 'doctor'"}
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration:
        expression: 'Object{metadata: Object.metadata{labels: {"LABEL": "true"}}}'
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: NAMESPACE}
spec: {policyName: NAMESPACE}
"""
TRIALS = 200


@contextmanager
def ill(cluster: Cluster) -> Iterator[None]:
    """Meanwhile doctor fails in this namespace."""
    policy = POLICY.replace("NAMESPACE", cluster.namespace).replace("LABEL", LABEL)
    kubectl("apply", "--filename", "-", given=policy)
    try:
        wait_for_label(cluster)
        yield
    finally:
        kubectl("delete", KINDS, cluster.namespace)


def wait_for_label(cluster: Cluster) -> None:
    """The API server reads policies a moment after they are made: ask until it has."""
    rendered = tools.render(VALUES["minimal"])
    (job,) = (item for item in rendered if item["metadata"]["name"] == f"{NAME}-doctor")
    spec = {**tools.pod_of(job), "serviceAccountName": "default"}  # type: ignore[dict-item]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial"}, "spec": spec}
    dry = ("create", "--dry-run=server", "--output=json", "--filename", "-")
    for _ in range(TRIALS):
        made = json.loads(cluster.kubectl(*dry, given=json.dumps(pod)))
        if LABEL in made["metadata"].get("labels", {}):
            return
    raise AssertionError("the admission policy was not read")


def test_what_doctor_finds_ends_an_installation_and_an_upgrade(cluster: Cluster) -> None:
    if KINDS.split(",")[0] not in kubectl("api-resources", "--output=name"):
        pytest.skip("the cluster has no MutatingAdmissionPolicy")
    with ill(cluster):
        done = cluster.apply("install", *MINIMAL)
        assert done.returncode != 0
        assert "failed pre-install" in done.stderr and f"{NAME}-doctor" in done.stderr
        # Its Job stays, for its log; nothing else was made.
        assert not cluster.get("deployments,statefulsets,services,networkpolicies")
        assert {item["metadata"]["name"] for item in cluster.get("jobs")} == {f"{NAME}-doctor"}

    done = cluster.apply("upgrade", "--install", *MINIMAL)
    assert done.returncode == 0, done.stderr
    before = cluster.get("deployments,statefulsets")
    with ill(cluster):
        done = cluster.apply("upgrade", *MINIMAL, over={"router": {"replicas": 3}})
        assert done.returncode != 0
        assert "pre-upgrade hooks failed" in done.stderr and f"{NAME}-doctor" in done.stderr
    after = cluster.get("deployments,statefulsets")
    assert [item["spec"] for item in after] == [item["spec"] for item in before]
