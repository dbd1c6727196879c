"""The core of docker-compose.yml on a real Docker engine, under a project and a port of its own.

In comes the name of a temporary folder, out go containers that the scenarios stop, kill, cut off
and look into. Models come from this machine's cache, if they have been built there, so that nothing
is fetched.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from comitia.config import DirectorySettings, load
from tests.conftest import free_ports

ROOT = Path(__file__).parents[2]
PROJECT = "comitia-test"
MODELS = ("minilm-l6-v2", "smollm2-135m-instruct")
# For a machine that does other things, too.
PATIENCE_S = 180.0
LOOK_EVERY_S = 0.5


def docker(*arguments: str, allowed: Sequence[int] = (0,)) -> str:
    """What a docker command prints; AssertionError with its complaint when it fails."""
    ran = subprocess.run(["docker", *arguments], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode in allowed, f"docker {' '.join(arguments)}: {ran.stdout}{ran.stderr}"
    return ran.stdout


def missing() -> str | None:
    """Why the scenarios cannot run here, None if they can."""
    if shutil.which("docker") is None:
        return "there is no docker command here"
    if subprocess.run(["docker", "info"], capture_output=True).returncode:
        return "no Docker engine answers here"
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        return "docker has no compose here"
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for image in sorted({one["image"] for one in services.values() if "profiles" not in one}):
        if subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode:
            return (
                f"there is no image {image}: `make images` builds ours, `docker pull` gets Kafka's"
            )
    for model in MODELS:
        if not (_cache() / "models" / model / "built").is_dir():
            return f"the model {model} is not built here: run `comitia model export {model}`"
    return None


def _cache() -> Path:
    return load(DirectorySettings).cache_dir


class Stack:
    """`up`, then whatever a scenario does to it, then `down`."""

    def __init__(self, folder: Path) -> None:
        port = free_ports(1)
        self.bootstrap = f"127.0.0.1:{port}"
        self._override = folder / "override.yml"
        # !override replaces a list that would else be added to.
        self._override.write_text(
            "services:\n  kafka:\n"
            f'    ports: !override ["127.0.0.1:{port}:9092"]\n'
            "    environment:\n"
            f"      KAFKA_ADVERTISED_LISTENERS: INSIDE://kafka:19092,OUTSIDE://{self.bootstrap}\n"
        )

    def compose(self, *arguments: str) -> str:
        files = ("-f", str(ROOT / "docker-compose.yml"), "-f", str(self._override))
        return docker("compose", "-p", PROJECT, *files, *arguments)

    def up(self) -> None:
        """Fill the volume of models, then start everything and wait until it is healthy."""
        self.down()
        self._seed()
        self.compose("up", "--wait", "--no-build")

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "2")

    def _seed(self) -> None:
        command = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "tar", "models")
        files = ("-f", str(ROOT / "docker-compose.yml"), "-f", str(self._override))
        into = [
            "docker",
            "compose",
            "-p",
            PROJECT,
            *files,
            *command,
            "-x",
            "-C",
            "/var/lib/comitia",
        ]
        with subprocess.Popen(into, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as tar:
            assert tar.stdin is not None
            with tarfile.open(fileobj=tar.stdin, mode="w|") as archive:
                for model in MODELS:
                    archive.add(_cache() / "models" / model, f"models/{model}")
            _, complaint = tar.communicate()
        assert tar.returncode == 0, complaint.decode()

    def container(self, service: str) -> str:
        return f"{PROJECT}-{service}-1"

    def look(self, service: str) -> dict[str, Any]:
        """What `docker inspect` says of a service's container."""
        [found] = json.loads(docker("inspect", self.container(service)))
        return dict(found)

    def services(self) -> list[str]:
        """Those that stay up, Kafka among them."""
        return sorted(self.compose("ps", "--services", "--status", "running").split())

    def inside(self, service: str, *command: str, allowed: Sequence[int] = (0,)) -> str:
        return docker("exec", self.container(service), *command, allowed=allowed)

    def kill(self, service: str) -> None:
        """SIGKILL as from the kernel, so that the restart policy counts: it does not after `docker
        kill`, which is taken for a wish.
        """
        pid = self.look(service)["State"]["Pid"]
        image = self.look(service)["Config"]["Image"]
        shell = ("--user", "0", "--entrypoint", "sh", image, "-c", f"kill -9 {pid}")
        docker("run", "--rm", "--pid", "host", *shell)

    def stop(self, service: str) -> None:
        """SIGTERM, and as long as the service was given to end."""
        docker("stop", self.container(service))

    def start(self, service: str) -> None:
        """By itself: compose would run the steps before it again."""
        docker("start", self.container(service))

    def await_healthy(self, service: str, since: str = "") -> None:
        """Until it is healthy, in a run that began after `since`."""

        def healthy() -> bool:
            state = self.look(service)["State"]
            return bool(state["Health"]["Status"] == "healthy" and state["StartedAt"] > since)

        await_that(healthy, f"{service} is healthy")

    def started_at(self, service: str) -> str:
        return str(self.look(service)["State"]["StartedAt"])

    def cut(self, service: str) -> None:
        docker("network", "disconnect", f"{PROJECT}_default", self.container(service))

    def mend(self, service: str) -> None:
        """Back into the network, under the name by which others know it."""
        name = self.container(service)
        docker("network", "connect", "--alias", service, f"{PROJECT}_default", name)


def await_that(condition: Any, what: str) -> None:
    """Look again and again until it holds; pytest fails after PATIENCE_S."""
    until = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"not within {PATIENCE_S:.0f} s: {what}")
        time.sleep(LOOK_EVERY_S)


def comitia(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this machine's command line."""
    command = [sys.executable, "-m", "comitia_cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
