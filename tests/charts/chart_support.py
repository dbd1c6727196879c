"""Which values files are rendered in CI, for which versions of Kubernetes, and by which helms.

Comes in: the chart's folder and PATH. Goes out: tables for tests to be run over; tests.charts.tools
does the rendering.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import yaml

from tests.charts import tools

# One file for each way of using the chart, and the presets as they ship.
VALUES = {
    path.name.removesuffix("-values.yaml"): path for path in (*tools.CI_VALUES, *tools.PRESETS)
}
CHART_YAML: dict[str, Any] = yaml.safe_load((tools.CHART / "Chart.yaml").read_text("utf-8"))
# What goldens are rendered for, and what Chart.yaml admits at the least.
NEWEST = "1.37.0"
OLDEST = re.findall(r"[0-9.]+", CHART_YAML["kubeVersion"])[0]
# Volumes of OCI images are younger than the rest.
OLDEST_OF = {"models-oci": "1.33.0"}

# By name: `helm` may be either of the others.
HELMS = {
    name: path
    for name in ("helm", "helm3", "helm4")
    if (path := shutil.which(name, path=tools.PLACES))
}
needs_helm = pytest.mark.skipif(not HELMS, reason="no helm in PATH: install Helm 3 or 4")


def rendered(name: str, *options: str, kubernetes: str = NEWEST) -> str:
    """What the chart makes of one of VALUES. AssertionError with helm's words where it refuses."""
    done = tools.template(VALUES[name], options=["--kube-version", kubernetes, *options])
    assert done.returncode == 0, f"{VALUES[name].name}: {done.stderr}"
    return done.stdout


def objects(text: str) -> list[tools.Manifest]:
    """The objects of a rendered chart."""
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(found: Sequence[tools.Manifest], kind: str) -> Iterator[tools.Manifest]:
    """Those of one kind."""
    return (item for item in found if item["kind"] == kind)
