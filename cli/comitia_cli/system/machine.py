"""What `comitia doctor` finds out about this machine: Python, ONNX Runtime, Java, disk, the running
system.

In: the environment. Out: `Finding`s, each with what to change where something is wrong. Nothing is
changed.
"""

import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from comitia.broker.java import find_java
from comitia.errors import ConfigError
from comitia_cli.places import Places, human_bytes, size_bytes
from comitia_cli.system.board import Board
from comitia_cli.system.settings import check, unknown

Verdict = Literal["ok", "note", "wrong"]
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
# Of these there are wheels of ONNX Runtime, which runs the models.
PLATFORMS = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")}
TESTED = ("Linux", "x86_64")
FREE_BYTES_MIN = 2_000_000_000


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `words` say what is, and for "wrong" what to change."""

    area: Literal["machine", "cluster", "topics"]
    name: str
    verdict: Verdict
    words: str


def machine_findings(where: Places) -> list[Finding]:
    """Everything about this machine, in the order in which it matters."""
    return [
        _python(),
        _platform(),
        _onnxruntime(),
        _java(),
        *_disk(where),
        *_settings(),
        _system(where),
    ]


def _python() -> Finding:
    return Finding("machine", "python", "ok", platform.python_version())


def _platform() -> Finding:
    this = (platform.system(), platform.machine())
    words = " ".join(this)
    if this not in PLATFORMS:
        return Finding(
            "machine",
            "platform",
            "wrong",
            f"{words}: there are no wheels of onnxruntime for it. Use Linux (x86-64, ARM64), "
            "macOS on ARM64, or WSL2",
        )
    if this != TESTED:
        return Finding("machine", "platform", "note", f"{words}: expected to work, not tested")
    return Finding("machine", "platform", "ok", words)


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _onnxruntime() -> Finding:
    found = {name: release for name in RUNTIMES if (release := _installed(name)) is not None}
    words = ", ".join(f"{name} {release}" for name, release in found.items())
    if not found:
        return Finding(
            "machine", "onnxruntime", "wrong", "not installed: run `make setup` in the checkout"
        )
    if len(found) > 1:
        return Finding(
            "machine",
            "onnxruntime",
            "wrong",
            f"{words}: both are installed and overwrite each other. Uninstall both and install one "
            "again (pip uninstall -y onnxruntime onnxruntime-gpu), or run `make clean setup`",
        )
    return Finding("machine", "onnxruntime", "ok", words)


def _java() -> Finding:
    try:
        java = find_java()
    except ConfigError as error:
        return Finding("machine", "java", "wrong", str(error))
    return Finding("machine", "java", "ok", f"Java {java.version} ({java.source}, {java.path})")


def _disk(where: Places) -> list[Finding]:
    findings = []
    for name, folder in (("state", where.state), ("cache", where.cache)):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(existing).free
        words = f"{folder}: {human_bytes(size_bytes(folder))}, {human_bytes(free)} free"
        if free < FREE_BYTES_MIN:
            variable = f"COMITIA_{name.upper()}_DIR"
            words += f": free some space, or set {variable} to a folder on another disk"
            findings.append(Finding("machine", name, "wrong", words))
        else:
            findings.append(Finding("machine", name, "ok", words))
    return findings


def _settings() -> list[Finding]:
    findings = []
    try:
        check(embedded=False)
    except ConfigError as error:
        findings.append(Finding("machine", "settings", "wrong", str(error)))
    for name, near in unknown(os.environ).items():
        advice = f"is {near} meant?" if near else "docs/limits.md names most of those there are"
        words = f"{name} is no setting and changes nothing: {advice}"
        findings.append(Finding("machine", "settings", "note", words))
    return findings


def _system(where: Places) -> Finding:
    board = Board(where.state)
    state = board.read()
    if state is not None:
        return Finding("machine", "system", "ok", f"{state.phase}, process {state.pid}")
    if board.stale_pid() is not None:
        return Finding(
            "machine",
            "system",
            "note",
            "down; the last one ended abruptly, the next `comitia up` sees to it",
        )
    return Finding("machine", "system", "note", "down: `comitia up` starts it")
