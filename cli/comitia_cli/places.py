"""Where things lie on this machine: state, logs, cache, and the folders of agent and model cards.

In: options, the environment, the working directory, the place this package was installed from. Out:
paths.
"""

from dataclasses import dataclass
from pathlib import Path

from comitia.config import DirectorySettings, load
from comitia.errors import ConfigError

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Places:
    """Comitia's folders. Nothing is created here."""

    state: Path
    cache: Path

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def journals(self) -> Path:
        return self.state / "publish"


def places() -> Places:
    """The folders that the environment names, else those of the XDG specification."""
    settings = load(DirectorySettings)
    return Places(settings.state_dir, settings.cache_dir)


def folder_of(kind: str, given: Path | None) -> Path:
    """The folder of `kind` ("agents" or "models"): as given, else below the working directory, else
    the checkout's.

    ConfigError when there is none.
    """
    candidates = [given] if given is not None else [Path.cwd() / kind, CHECKOUT / kind]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate.resolve()
    tried = " nor ".join(str(candidate) for candidate in candidates)
    raise ConfigError(f"no folder {tried}: name the one that holds your cards with --{kind} DIR")


def size_bytes(folder: Path) -> int:
    """Bytes that the files below `folder` take on the disk; 0 when it does not exist.

    Apache Kafka's files are longer than what is stored of them. Files that vanish meanwhile count
    as nothing.
    """
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                total += disk_bytes(path)
        except FileNotFoundError:
            continue
    return total


def disk_bytes(file: Path) -> int:
    """Bytes that one file takes on the disk. `st_blocks` counts 512 of them on every system."""
    return file.stat().st_blocks * 512


def human_bytes(count: int) -> str:
    """12.3 MB: decimal units, three significant digits at least."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"
