"""Opening a graph in ONNX Runtime, on the device that was asked for and on no other.

A model file, a number of threads and a device (cpu, cuda or cuda:<n>) go in, an InferenceSession
comes out. Which package of ONNX Runtime is installed is checked first: the two builds overwrite
each other's files.
"""

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comitia.errors import ConfigError
from comitia.inference.cores import Cores, cores

if TYPE_CHECKING:
    import onnxruntime

_PACKAGES = ("onnxruntime", "onnxruntime-gpu")
_DEVICE = re.compile(r"cpu|cuda(?::(\d+))?")
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_ERRORS = (
    "EPFail",
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "NoSuchFile",
    "NotImplemented",
    "RuntimeException",
)
# Of onnxruntime's levels: errors alone.
_LOG_ERRORS = 3


# How long a thread that has nothing to do waits busily before it sleeps. Between the operators of a
# step it waits for microseconds, and waking costs more: two threads wrote 82-89 tokens/s so and 63
# asleep (SmolLM2-135M, int8, one text). Without a bound, or until each run ends, they wait through
# what others need the core for: beside busy neighbours that cost two fifths of all tokens.
SPIN_US = 1000


@dataclass(frozen=True, slots=True)
class Threads:
    """`count`: threads inside an operator, 0 for all that the process may use."""

    count: int = 0

    def settle(self, allowed: Cores) -> tuple[int, int]:
        """Threads, and the microseconds that one waits busily: none where a quota gives them less
        than a core each, as it would be spent on that.
        """
        count = self.count or allowed.threads
        rationed = allowed.quota is not None and allowed.quota < count
        return count, 0 if rationed else SPIN_US


def check_packages() -> None:
    """Raise ConfigError unless exactly one package of ONNX Runtime is installed."""
    found = [name for name in _PACKAGES if _installed(name)]
    if not found:
        raise ConfigError(
            "ONNX Runtime is not installed: run `make setup` in the checkout (with an NVIDIA GPU "
            "install requirements/gpu.lock instead)"
        )
    if len(found) > 1:
        raise ConfigError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other: run pip "
            "uninstall -y onnxruntime onnxruntime-gpu and install one again, or `make clean setup`"
        )


def open_session(model: Path, threads: Threads, device: str) -> "onnxruntime.InferenceSession":
    """A session whose first active provider is the one asked for. Raises ConfigError with the
    reason otherwise.
    """
    provider, options = _provider(device)
    check_packages()
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if provider not in available:
        raise ConfigError(
            f"Device '{device}' needs {provider}, but this ONNX Runtime has "
            f"{', '.join(available)}; run: pip uninstall "
            "-y onnxruntime && pip install 'comitia[gpu]', or set the device to cpu."
        )
    if provider == _CUDA:
        # NVIDIA's wheels put their libraries where the dynamic linker does not look.
        onnxruntime.preload_dlls()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, spin_us = threads.settle(cores())
    settings.inter_op_num_threads = 1
    settings.log_severity_level = _LOG_ERRORS
    spins = "1" if spin_us else "0"
    settings.add_session_config_entry("session.intra_op.allow_spinning", spins)
    settings.add_session_config_entry("session.intra_op.spin_duration_us", str(spin_us))
    try:
        session = onnxruntime.InferenceSession(
            str(model), settings, providers=[(provider, options)]
        )
    except runtime_errors() as error:
        raise ConfigError(
            f"ONNX Runtime cannot open {model} on {device}: {first_line(error)}"
        ) from error
    active = session.get_providers()[0]
    if active != provider:
        raise ConfigError(
            f"Device '{device}' was asked for, but ONNX Runtime took {active}; check the driver "
            "and the CUDA libraries, "
            "or set the device to cpu."
        )
    return session


def runtime_errors() -> tuple[type[Exception], ...]:
    """The errors that ONNX Runtime raises when it opens or runs a graph."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (*(getattr(state, name) for name in _ERRORS), RuntimeError)


def first_line(error: Exception) -> str:
    """An error of ONNX Runtime without its stack."""
    return str(error).strip().partition("\n")[0]


def _provider(device: str) -> tuple[str, dict[str, Any]]:
    match = _DEVICE.fullmatch(device)
    if match is None:
        raise ConfigError(f"Device '{device}' is not known; say cpu, cuda or cuda:<number>.")
    return (_CPU, {}) if device == "cpu" else (_CUDA, {"device_id": int(match[1] or 0)})


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
