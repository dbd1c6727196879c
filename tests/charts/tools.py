"""What the tests of the chart share: helm, where it is found, and what it renders or refuses.

In come values; out come the rendered objects, or the sentence with which helm refuses. Nothing is
fetched: without helm in $HELM or PATH (`helm`, `helm4` or `helm3`) a test says so and is skipped.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/comitia"
CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
PRESETS = sorted((CHART / "presets").glob("*-values.yaml"))
RELEASE = "panel"
# The least that can be installed.
LEAST: Mapping[str, Any] = {
    "kafka": {"bootstrap": "kafka.example:9092"},
    "agents": {"critic": {"model": "smollm2-135m-instruct"}},
}
KUBERNETES = "1.35.0"
# What the development lock installed stands beside Python, which is not in PATH everywhere.
PLACES = f"{os.environ.get('PATH', '')}{os.pathsep}{Path(sys.executable).parent}"
# Objects of operators that a cluster may lack.
API_VERSIONS = ("keda.sh/v1alpha1", "monitoring.coreos.com/v1", "kafka.strimzi.io/v1")
Manifest = dict[str, Any]


def tool(variable: str, *names: str) -> str:
    """Path of a program: $VARIABLE, else the first of `names` in PATH. Skips the test without."""
    given = os.environ.get(variable)
    found = given or next((path for n in names if (path := shutil.which(n, path=PLACES))), None)
    if not found:
        pytest.skip(f"no {names[0]} in PATH, and ${variable} names none")
    return found


def helm(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run helm with `given` on its standard input."""
    command = [tool("HELM", "helm", "helm4", "helm3"), *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


def template(
    *values: Mapping[str, Any] | Path, options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """`helm template` of the chart with files of values, then at most one mapping over them."""
    # Each helm takes another Kubernetes for granted. The last of two such options counts.
    arguments = ["template", RELEASE, str(CHART), "--namespace", "comitia"]
    arguments += ["--kube-version", KUBERNETES, *options]
    for version in API_VERSIONS:
        arguments += ["--api-versions", version]
    given = ""
    for each in values:
        if isinstance(each, Path):
            arguments += ["--values", str(each)]
        else:
            arguments += ["--values", "-"]
            given = json.dumps(each)
    return helm(*arguments, given=given)


def render(*values: Mapping[str, Any] | Path) -> list[Manifest]:
    """Every object that the chart makes of `values`; fails with helm's words when it makes none."""
    done = template(*values)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def refusal(*values: Mapping[str, Any] | Path) -> str:
    """What helm says of values that cannot be used, in one line."""
    done = template(*values)
    assert done.returncode != 0, "helm took values that it should refuse"
    return " ".join(done.stderr.split())


def merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`values`, and `over` over them, as helm merges files."""
    result = dict(values)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result


def pod_of(manifest: Manifest) -> dict[str, Any] | None:
    """The pod's specification in an object, None where it makes no pods."""
    if manifest["kind"] == "Pod":
        spec: dict[str, Any] = manifest["spec"]
        return spec
    template = manifest.get("spec", {}).get("template", {})
    return template.get("spec") if manifest["kind"] in WORKLOADS else None


WORKLOADS = ("StatefulSet", "Deployment", "Job")
