"""What the tests of images ask of a Docker engine, and why they cannot where they cannot.

In come commands, out goes what they print. Images are those that `make images` makes of this
release; nothing is pulled.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_FOUND = re.search(r'^version = "(.+)"', (ROOT / "shared/pyproject.toml").read_text(), re.M)
VERSION = _FOUND[1] if _FOUND else ""
SERVICES = ("router", "aggregator", "learner", "agent")
# Everything that compose and the chart ask of a container.
HARDENED = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=none",
)


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, cwd=ROOT)


def need_engine() -> None:
    """Skip, with the reason, where no engine answers."""
    if shutil.which("docker") is None:
        pytest.skip("there is no docker command here")
    if docker("info").returncode:
        pytest.skip("no Docker engine answers here")


def need_image(name: str, how: str) -> None:
    """Skip, saying how to get it, where an image is not there."""
    need_engine()
    if docker("image", "inspect", name).returncode:
        pytest.skip(f"there is no image {name}: {how}")


def ours(target: str) -> str:
    """Name of the image of a target of the Dockerfile; skips where it has not been built."""
    name, _, variant = target.partition("-")
    image = f"comitia/{name}:{VERSION}" + (f"-{variant}" if variant else "")
    need_image(image, f"`make images IMAGES={target}` builds it")
    return image


def inside(image: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a hardened container of an image, in place of its own."""
    program, *arguments = command
    return docker("run", "--rm", *HARDENED, f"--entrypoint={program}", image, *arguments)
