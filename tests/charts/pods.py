"""Rendered pods as containers of a Docker engine, for as much of them as needs no Kubernetes:
image, command, environment, user, read-only root, capabilities, memory and volumes.

In come a pod's specification and where its volumes lie on this machine; out come commands of
`docker`. Containers use the host's network, so each gets a port of its own in place of 8080.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.charts import tools


@dataclass(frozen=True)
class Pod:
    """`name` is what the pod is called, `spec` what the chart renders, `volumes` name -> folder."""

    name: str
    spec: Mapping[str, Any]
    volumes: Mapping[str, Path]
    port: int

    @property
    def grace_s(self) -> int:
        """How long Kubernetes waits after SIGTERM."""
        return int(self.spec.get("terminationGracePeriodSeconds", 30))

    def command(self, *options: str) -> list[str]:
        """`docker run` of the pod's one container."""
        (container,) = self.spec["containers"]
        user = self.spec["securityContext"]
        arguments = ["docker", "run", "--name", self.name, "--network", "host", *options]
        arguments += ["--user", f"{user['runAsUser']}:{user['runAsGroup']}"]
        arguments += self._security(container)
        for each in container.get("env", ()):
            arguments += ["--env", f"{each['name']}={self._value(each)}"]
        for mount in container["volumeMounts"]:
            arguments += self._mount(mount)
        return [*arguments, container["image"], *container.get("args", ())]

    def _security(self, container: Mapping[str, Any]) -> list[str]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
        options = ["--read-only", "--security-opt", "no-new-privileges"]
        for capability in context["capabilities"]["drop"]:
            options += ["--cap-drop", capability]
        memory = container["resources"]["limits"]["memory"]
        return [*options, "--memory", memory.removesuffix("i").lower()]

    def _value(self, variable: Mapping[str, Any]) -> str:
        if variable["name"] == "COMITIA_HTTP_PORT":
            return str(self.port)
        if "valueFrom" in variable:
            assert variable["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
            return self.name
        value: str = variable["value"]
        return value

    def _mount(self, mount: Mapping[str, Any]) -> list[str]:
        (volume,) = [each for each in self.spec["volumes"] if each["name"] == mount["name"]]
        if "emptyDir" in volume:
            size = volume["emptyDir"]["sizeLimit"].removesuffix("i").lower()
            return ["--tmpfs", f"{mount['mountPath']}:size={size}"]
        source = self.volumes[mount["name"]]
        return ["--volume", f"{source}:{mount['mountPath']}:{'ro' if mount['readOnly'] else 'rw'}"]


def config_map(manifest: tools.Manifest, folder: Path) -> Path:
    """The folder with a ConfigMap's files, as a pod sees them."""
    folder.mkdir()
    for name, text in manifest["data"].items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    folder.chmod(0o755)
    return folder


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run docker and wait for it."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


def need_images(images: Sequence[str]) -> None:
    """Skips the test where there is no engine, or where it lacks an image."""
    try:
        done = docker("image", "inspect", *images)
    except FileNotFoundError:
        pytest.skip("no docker in PATH")
    if done.returncode != 0:
        found = [tag for each in json.loads(done.stdout or "[]") for tag in each["RepoTags"]]
        missing = sorted(set(images) - set(found))
        pytest.skip(f"no engine, or it lacks {', '.join(missing)}: `make images` builds them")
