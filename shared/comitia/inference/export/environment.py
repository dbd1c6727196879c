"""The export environment: PyTorch and optimum, in a virtual environment made on first need.

COMITIA_EXPORT_PYTHON names a Python that has them already. Otherwise the environment is made in the
cache from requirements/export.lock, after asking: it is the one large download that Comitia makes.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from comitia.config import ExportSettings
from comitia.errors import ConfigError
from comitia.inference.cards import Progress, silent

# Asked before the download; the text says what and how much.
Confirm = Callable[[str], bool]
_LOCK = "requirements/export.lock"
# Linux x86-64, torch 2.15 as PyPI has it, in GB: fetched, and kept on disk.
_FETCHED_GB, _KEPT_GB = 2.5, 4.3


def export_python(cache_dir: Path, progress: Progress, confirm: Confirm) -> Path:
    """The Python of the export environment, made first where it is missing.

    Raises ConfigError: not agreed to, no lock to make it from, an installation that failed.
    """
    given = ExportSettings().export_python
    if given is not None:
        if not given.is_file():
            raise ConfigError(
                f"COMITIA_EXPORT_PYTHON names {given}, which is no file; correct it or unset it."
            )
        return given
    lock = _find_lock()
    folder = _folder(lock, cache_dir)
    python = folder / "bin" / "python"
    if (folder / "complete").is_file():
        return python
    question = (
        "This model is exported through PyTorch and optimum, which need an environment of their "
        "own: about "
        f"{_FETCHED_GB} GB to download, {_KEPT_GB} GB kept in {folder}. Make it now?"
    )
    if not confirm(question):
        raise ConfigError(
            f"The export environment ({_FETCHED_GB} GB to download) is needed and was not agreed "
            "to; run the command on a "
            "terminal and say yes, give it --yes, or set COMITIA_EXPORT_PYTHON to a Python that "
            "has optimum-onnx."
        )
    _make(folder, lock, progress)
    return python


def python_at_hand(cache_dir: Path) -> Path | None:
    """The Python of the export environment where there is one already.

    Raises ConfigError where COMITIA_EXPORT_PYTHON names no file.
    """
    given = ExportSettings().export_python is not None
    found = [parent / _LOCK for parent in _above() if (parent / _LOCK).is_file()]
    made = bool(found) and (_folder(found[0], cache_dir) / "complete").is_file()
    return export_python(cache_dir, silent, lambda _: False) if given or made else None


def _above() -> list[Path]:
    return list(Path(__file__).resolve().parents)


def _folder(lock: Path, cache_dir: Path) -> Path:
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    return cache_dir / f"export-env-{digest[:12]}"


def _find_lock() -> Path:
    for parent in _above():
        if (parent / _LOCK).is_file():
            return parent / _LOCK
    raise ConfigError(
        f"{_LOCK} is not beside this installation; set COMITIA_EXPORT_PYTHON to a Python that has "
        "optimum-onnx."
    )


def _make(folder: Path, lock: Path, progress: Progress) -> None:
    """A marker file says that the installation went through; a half-made folder is begun anew."""
    shutil.rmtree(folder, ignore_errors=True)
    progress("making the export environment", 0, 2)
    run_checked(
        [sys.executable, "-m", "venv", str(folder)], "The export environment cannot be made"
    )
    progress(f"installing PyTorch and optimum ({_FETCHED_GB} GB)", 1, 2)
    install = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    install += ["--no-deps", "--require-hashes", "-r", str(lock)]
    run_checked(install, "PyTorch and optimum cannot be installed")
    (folder / "complete").touch()
    progress("installing PyTorch and optimum", 2, 2)


def run_checked(command: list[str], failure: str, told: str = "") -> str:
    """Run a command with `told` as its input; what it printed. Raises ConfigError with `failure`
    and its last line.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, input=told)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise ConfigError(f"{failure}: {lines[-1]}")
    return done.stdout
