"""Each of our distributions declares those of ours that it imports, and each image installs them: a
service that runs in this tree, where all are installed, must run alone.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.unit.test_house import PROJECTS, ROOT, project

OURS = {project(folder)["name"].replace("-", "_"): folder for folder in PROJECTS}
# Stage of the Dockerfile that makes an environment -> what runs in it.
STAGES = {
    "service-environment": ("comitia_router", "comitia_aggregator", "comitia_learner"),
    "agent-environment": ("comitia_agent",),
    "agent-cuda-environment": ("comitia_agent",),
    "cli-environment": ("comitia_cli",),
}


def imported(package: str) -> Iterator[str]:
    """Those of ours that the modules of a package name."""
    for path in (OURS[package] / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.append(node.module)
            yield from (name.split(".")[0] for name in names if name.split(".")[0] in OURS)


def declared(package: str) -> set[str]:
    """Those of ours that its pyproject.toml names, and itself."""
    named = (Requirement(one).name for one in project(OURS[package])["dependencies"])
    return {name.replace("-", "_") for name in named if name.startswith("comitia")} | {package}


@pytest.mark.parametrize("package", sorted(OURS))
def test_what_a_distribution_imports_it_declares(package: str) -> None:
    assert set(imported(package)) <= declared(package)


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_an_image_installs_what_its_packages_declare(stage: str) -> None:
    dockerfile = Path(ROOT / "Dockerfile").read_text(encoding="utf-8")
    (lines,) = re.findall(rf"^FROM \S+ AS {stage}$(.*?)^(?:FROM|# ---)", dockerfile, re.M | re.S)
    (names,) = re.findall(r"\$\{OURS\} ([a-z -]+)$", lines, re.M)
    needed = set().union(*map(declared, STAGES[stage]))
    assert needed <= {name.replace("-", "_") for name in names.split()}
