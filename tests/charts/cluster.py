"""What tests do in one namespace of a cluster: install and look.

In come arguments of helm and kubectl; out go objects and what helm said. Helm is the one of $HELM
or PATH, kubectl and the cluster those of the environment.
"""

import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.charts import tools

# An installation on fake nodes takes seconds.
PATIENCE = ("--wait", "--timeout", "120s")
RESTRICTED = ("enforce=restricted", "warn=restricted", "enforce-version=latest")
Done = subprocess.CompletedProcess[str]


def kubectl(*arguments: str, given: str = "") -> str:
    """What kubectl prints. AssertionError with its words where it fails."""
    done = subprocess.run(
        ["kubectl", *arguments], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class Cluster:
    """One namespace, and one release in it."""

    namespace: str

    def helm(self, verb: str, *arguments: str, given: str = "") -> Done:
        """Run helm on the release."""
        whole = (verb, tools.RELEASE, *arguments, "--namespace", self.namespace)
        return tools.helm(*whole, given=given)

    def apply(self, verb: str, *arguments: str, over: Mapping[str, Any] | None = None) -> Done:
        """`helm install` or `upgrade` of the chart, waiting for its pods; `over` goes over all
        other values.
        """
        values = ("--values", "-") if over else ()
        whole = (str(tools.CHART), *arguments, *values, *PATIENCE)
        return self.helm(verb, *whole, given=json.dumps(over) if over else "")

    def kubectl(self, *arguments: str, given: str = "") -> str:
        return kubectl("--namespace", self.namespace, *arguments, given=given)

    def get(self, *arguments: str) -> list[tools.Manifest]:
        """Objects of these kinds."""
        found = json.loads(self.kubectl("get", *arguments, "--output", "json"))
        items: list[tools.Manifest] = found["items"]
        return items

    def pods(self) -> dict[str, bool]:
        """Name to readiness, of all pods of the release that run on."""
        return {
            pod["metadata"]["name"]: any(
                each["type"] == "Ready" and each["status"] == "True"
                for each in pod["status"].get("conditions", ())
            )
            for pod in self.get("pods")
            if pod["spec"]["restartPolicy"] == "Always"
        }

    def everything(self) -> set[str]:
        """kind/name of all that is in the namespace and is not there of itself."""
        kinds = kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
        listed = self.kubectl("get", ",".join(kinds), "--ignore-not-found", "--output=name").split()
        own = ("event", "configmap/kube-root-ca.crt", "serviceaccount/default", "lease")
        return {each for each in listed if not each.startswith(own)}


@contextmanager
def namespace() -> Iterator[Cluster]:
    """A namespace that admits restricted pods alone, gone afterwards with all that is in it."""
    name = f"comitia-test-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    try:
        labels = (f"pod-security.kubernetes.io/{rule}" for rule in RESTRICTED)
        kubectl("label", "namespace", name, *labels)
        yield Cluster(name)
    finally:
        kubectl("delete", "namespace", name, "--wait=false")
