"""Every values file of CI through the tools that know Kubernetes: helm lint, the schemas of the
newest Kubernetes and of the operators (kubeconform), and those of the oldest supported one.
"""

import os
import shutil
import subprocess

import kubernetes_validate
import pytest

from tests.charts import tools
from tests.charts.chart_support import (
    HELMS,
    NEWEST,
    OLDEST,
    OLDEST_OF,
    VALUES,
    needs_helm,
    objects,
    rendered,
)

pytestmark = needs_helm
# Kinds of operators, which no Kubernetes release has a schema of: kubeconform knows them.
OPERATORS = ("keda.sh/", "kafka.strimzi.io/", "monitoring.coreos.com/")
SCHEMAS = "COMITIA_KUBE_SCHEMAS"


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("name", VALUES)
def test_helm_lint_finds_nothing(name: str, helm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM", HELMS[helm])
    options = ("--strict", "--kube-version", NEWEST, "--values", str(VALUES[name]))
    done = tools.helm("lint", str(tools.CHART), *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


def kubeconform(text: str) -> None:
    """Every object must be known, and every field of it."""
    location = os.environ.get(SCHEMAS)
    if not (shutil.which("kubeconform") and location):
        pytest.skip(f"needs kubeconform on PATH, and its -schema-location in {SCHEMAS}")
    done = subprocess.run(
        ["kubeconform", "-strict", "-summary", "-schema-location", location],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Errors: 0, Skipped: 0" in done.stdout


@pytest.mark.parametrize("name", VALUES)
def test_the_newest_kubernetes_and_the_operators_know_every_field(name: str) -> None:
    kubeconform(rendered(name))


def test_an_older_strimzi_knows_every_field() -> None:
    kubeconform(rendered("strimzi").replace("kafka.strimzi.io/v1\n", "kafka.strimzi.io/v1beta2\n"))


@pytest.mark.parametrize("name", VALUES)
def test_the_oldest_supported_kubernetes_knows_every_field(name: str) -> None:
    version = OLDEST_OF.get(name, OLDEST)
    checked = 0
    for item in objects(rendered(name, kubernetes=version)):
        if not item["apiVersion"].startswith(OPERATORS):
            kubernetes_validate.validate(item, version.rsplit(".", 1)[0], strict=True)
            checked += 1
    assert checked > 10


def test_an_older_kubernetes_is_refused() -> None:
    minor = int(OLDEST.split(".")[1]) - 1
    done = tools.template(tools.LEAST, options=["--kube-version", f"1.{minor}.0"])
    assert done.returncode != 0
    assert f"chart requires kubeVersion: >={OLDEST}" in done.stderr
