"""One version for all that is released together, and notes on upgrading to it."""

import re
import tomllib

from tests.charts.chart_support import CHART_YAML, OLDEST
from tests.charts.tools import ROOT

UPGRADING = (ROOT / "docs/upgrading.md").read_text(encoding="utf-8")


def test_chart_images_and_distributions_have_one_version() -> None:
    projects = [ROOT / "shared", ROOT / "cli", *(ROOT / "services").iterdir()]
    versions = {
        tomllib.loads((folder / "pyproject.toml").read_text())["project"]["version"]
        for folder in projects
        if (folder / "pyproject.toml").exists()
    }
    assert versions == {CHART_YAML["version"]} == {CHART_YAML["appVersion"]}


def test_there_are_notes_on_upgrading_to_this_version() -> None:
    sections = re.findall(r"^## (\d\S*)$", UPGRADING, re.M)
    assert sections and sections[0] == CHART_YAML["version"]
    assert len(set(sections)) == len(sections)


def test_they_name_the_oldest_kubernetes() -> None:
    assert f"Kubernetes {OLDEST.removesuffix('.0')} or newer" in UPGRADING
