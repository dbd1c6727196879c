"""Say, before anything is downloaded, whether Comitia can run here; needs nothing but Python.

Comes in: the running interpreter. Goes out: exit code 0, or 2 with a sentence on what to change.
ONNX Runtime and llguidance decide: the one is published for Linux (x86-64, ARM64) and macOS 14
(ARM64), the other for Linux with glibc 2.31.
"""

import platform
import sys
from typing import NamedTuple

PYTHON_OLDEST, PYTHON_NEWEST = (3, 11), (3, 13)
GLIBC_OLDEST = (2, 31)
MACOS_OLDEST = (14,)
PROCESSORS = {"Linux": {"x86_64", "aarch64"}, "Darwin": {"arm64"}}


class Machine(NamedTuple):
    """What decides; names as the module `platform` has them. `release`: of glibc or of macOS."""

    system: str
    processor: str
    python: tuple[int, int]
    libc: str
    release: str


def obstacle(machine: Machine) -> str | None:
    """The reason why Comitia cannot run there, as a sentence for its user; None if it can."""
    if not PYTHON_OLDEST <= machine.python <= PYTHON_NEWEST:
        return (
            f"Comitia needs Python 3.11, 3.12 or 3.13, and this is {machine.python[0]}."
            f"{machine.python[1]}. Name another one: make PYTHON=/path/to/python3.11 ..."
        )
    if machine.system == "Windows":
        return "Comitia runs on Windows inside WSL2: install that (wsl --install) and try there."
    if machine.processor not in PROCESSORS.get(machine.system, set()):
        return (
            "ONNX Runtime, which runs the models, publishes no package for "
            f"{machine.system} on {machine.processor}. "
            "Comitia runs on Linux (x86-64, ARM64) and on macOS with an Apple processor."
        )
    if machine.system == "Linux" and machine.libc != "glibc":
        return (
            "ONNX Runtime, which runs the models, publishes no package for a Linux without glibc "
            "(Alpine uses musl). Use a Debian, Ubuntu or Fedora system or image."
        )
    oldest = GLIBC_OLDEST if machine.system == "Linux" else MACOS_OLDEST
    if _numbers(machine.release) < oldest:
        wanted = {
            "Linux": "glibc 2.31 or newer (Debian 11, Ubuntu 20.04, RHEL 9)",
            "Darwin": "macOS 14 or newer",
        }[machine.system]
        return (
            f"What runs the models (ONNX Runtime, llguidance) needs {wanted}, and this system has "
            f"{machine.release}. Update the system."
        )
    return None


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".")[:2] if part.isdecimal())


def this_machine() -> Machine:
    """The machine that this script runs on."""
    libc, glibc_release = platform.libc_ver()
    system = platform.system()
    release = platform.mac_ver()[0] if system == "Darwin" else glibc_release
    return Machine(system, platform.machine(), sys.version_info[:2], libc, release)


def main() -> int:
    """Print the obstacle, if any; the exit code says whether there is one."""
    reason = obstacle(this_machine())
    if reason is None:
        return 0
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
