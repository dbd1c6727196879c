"""Say, before anything is downloaded, whether Comitia can run here; needs nothing but Python itself.

Comes in: the running interpreter. Goes out: exit code 0, or 2 with one sentence on what to change.
ONNX Runtime decides: it is published for CPython 3.11 and newer, on Linux with glibc (x86-64, ARM64) and macOS on ARM64.
"""

import platform
import sys

PYTHON_OLDEST, PYTHON_NEWEST = (3, 11), (3, 13)
GLIBC_OLDEST = (2, 28)
MACHINES = {"Linux": {"x86_64", "aarch64"}, "Darwin": {"arm64"}}


def obstacle(
    system: str, machine: str, python: tuple[int, int], libc: tuple[str, str]
) -> str | None:
    """The reason why Comitia cannot run there, as a sentence for its user; None if it can.

    `system` and `machine` as the module `platform` names them, `libc` as `platform.libc_ver()`.
    """
    if not PYTHON_OLDEST <= python <= PYTHON_NEWEST:
        return (
            f"Comitia needs Python 3.11, 3.12 or 3.13, and this is {python[0]}.{python[1]}. "
            "Name another one: make PYTHON=/path/to/python3.11 ..."
        )
    if system == "Windows":
        return "Comitia runs on Windows inside WSL2: install it there (wsl --install) and try again."
    if machine not in MACHINES.get(system, set()):
        return (
            f"ONNX Runtime, which runs the models, publishes no package for {system} on {machine}. "
            "Comitia runs on Linux (x86-64, ARM64) and on macOS with an Apple processor."
        )
    if system == "Linux":
        name, version = libc
        if name != "glibc":
            return (
                "ONNX Runtime, which runs the models, publishes no package for a Linux without "
                "glibc (Alpine uses musl). Use a Debian, Ubuntu or Fedora system or image."
            )
        if tuple(int(part) for part in version.split(".")[:2]) < GLIBC_OLDEST:
            return (
                f"ONNX Runtime, which runs the models, needs glibc 2.28 or newer, and this system "
                f"has {version}. Use Debian 10, Ubuntu 20.04, RHEL 8 or newer."
            )
    return None


def main() -> int:
    """Print the obstacle, if any; the exit code says whether there is one."""
    reason = obstacle(
        platform.system(), platform.machine(), sys.version_info[:2], platform.libc_ver()
    )
    if reason is None:
        return 0
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
