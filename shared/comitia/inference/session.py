"""Opening a graph in ONNX Runtime, on the device that was asked for and on no other.

A model, a number of threads and a device (cpu, cuda or cuda:<n>) go in, an InferenceSession comes
out. Which package of ONNX Runtime is installed is checked first: the two builds overwrite each
other's files. What ONNX Runtime logs while it opens a graph is part of the refusal: it falls back
to the processor with no more than that.
"""

import logging
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comitia.errors import ConfigError
from comitia.inference.cores import Cores, cores

if TYPE_CHECKING:
    import onnxruntime

_LOG = logging.getLogger(__name__)

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
# step it waits for microseconds, and waking costs more than that. Tokens/s of two threads on two
# cores, for 1 / 8 / 16 texts (SmolLM2-135M, int8): asleep 61/245/290, 100 us 83/256/341, 1000 us
# 83/267/318. Longer waits take the core from others, of whom a step may wait itself; beside a busy
# neighbour: 29/93/105, 39/98/123, 13/41/43.
SPIN_US = 100


@dataclass(frozen=True, slots=True)
class Threads:
    """`count`: threads inside an operator, 0 for all that the process may use. `spin_us`: how long
    one that has nothing to do waits busily, 0 for not at all.
    """

    count: int = 0
    spin_us: int = SPIN_US

    def settle(self, allowed: Cores) -> tuple[int, int]:
        """Threads, and the microseconds that one waits busily: none where a quota gives them less
        than a core each, as it would be spent on that.
        """
        count = self.count or allowed.threads
        rationed = allowed.quota is not None and allowed.quota < count
        return count, 0 if rationed else self.spin_us


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


def open_session(
    model: Path | bytes, threads: Threads, device: str
) -> "onnxruntime.InferenceSession":
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
    given = model if isinstance(model, bytes) else str(model)
    with _last_error() as last:
        try:
            session = onnxruntime.InferenceSession(
                given, _settings(threads), providers=[(provider, options)], enable_fallback=0
            )
        except runtime_errors() as error:
            what = "a graph" if isinstance(model, bytes) else model
            raise ConfigError(
                f"ONNX Runtime cannot open {what} on {device}: {first_line(error)}"
            ) from error
    active = session.get_providers()[0]
    if active != provider:
        why = last[0] if last else "it gave no reason"
        raise ConfigError(
            f"Device '{device}' was asked for, but ONNX Runtime took {active} ({why}); check the "
            "driver and the CUDA libraries, or set the device to cpu."
        )
    return session


def _settings(threads: Threads) -> "onnxruntime.SessionOptions":
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, spin_us = threads.settle(cores())
    settings.inter_op_num_threads = 1
    settings.log_severity_level = _LOG_ERRORS
    for key, value in {
        "session.intra_op.allow_spinning": int(spin_us > 0),
        "session.intra_op.spin_duration_us": spin_us,
        # For placement.attention_nodes.
        "session.record_ep_graph_assignment_info": 1,
    }.items():
        settings.add_session_config_entry(key, str(value))
    return settings


@contextmanager
def _last_error() -> Iterator[deque[str]]:
    """The last error that ONNX Runtime logs meanwhile, of any session."""
    import onnxruntime

    last: deque[str] = deque(maxlen=1)

    def note(_severity: int, _category: str, _id: str, _place: str, message: str) -> None:
        _LOG.warning("ONNX Runtime: %s", message)
        last.append(first_line(message))

    if not hasattr(onnxruntime, "set_default_logger_callback"):
        # Before 1.32 it writes to the standard error alone.
        yield last
        return
    onnxruntime.set_default_logger_callback(note, _LOG_ERRORS)
    try:
        yield last
    finally:
        onnxruntime.set_default_logger_callback(None)


def runtime_errors() -> tuple[type[Exception], ...]:
    """The errors that ONNX Runtime raises when it opens or runs a graph."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (*(getattr(state, name) for name in _ERRORS), RuntimeError)


def first_line(error: Exception | str) -> str:
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
