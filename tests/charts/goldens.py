"""Writes what the chart renders to, for each values file of CI, into tests/charts/golden; a test
compares them, so that a change of the chart shows what it changes on a cluster.

Dashboards and rules have files and tests of their own: of them only the names are kept.
"""

import re
from pathlib import Path

from tests.charts.chart_support import HELMS, VALUES, rendered
from tests.charts.tools import ROOT

BODY = re.compile(r"^(  comitia-(\S+\.json):) \|.*", re.M | re.S)
GROUPS = re.compile(r"^  groups:.*", re.M | re.S)
GOLDEN = ROOT / "tests/charts/golden"


def golden(name: str) -> Path:
    """The file of one values file."""
    return GOLDEN / f"{name}.yaml"


def settled(text: str) -> str:
    """Without what differs from helm to helm, and without the bodies of other files."""
    documents = []
    for document in re.split(r"^---\n", text, flags=re.M):
        if "templates/dashboards.yaml" in document:
            document = BODY.sub(r"\1 (dashboards/\2)", document)
        if "templates/prometheusrule.yaml" in document:
            document = GROUPS.sub("  groups: (rules/*.yaml)", document)
        if document.strip():
            documents.append(f"---\n{document.rstrip()}\n")
    return "".join(documents)


def write() -> None:
    """All of them anew; goldens of files that are gone go, too."""
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.glob("*.yaml"):
        old.unlink()
    for name in VALUES:
        golden(name).write_text(settled(rendered(name)), encoding="utf-8")


if __name__ == "__main__":
    if not HELMS:
        raise SystemExit("no helm in PATH: install Helm 3 or 4")
    write()
