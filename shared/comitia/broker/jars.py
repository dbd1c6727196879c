"""The jars of Apache Kafka: what `jgo.lock.toml` names, fetched once into the cache and verified at
every start.

The lock (written by `relock.py` in jgo's own format, with each file's size added) comes in; the
paths of verified jars go out. jgo fetches what is missing and nothing else: no Maven, no POM, no
JDK. A jar is moved into the cache only after its SHA-256 agreed, so a broken download leaves
nothing behind, and a jar altered later is refused, not quietly replaced.
"""

import hashlib
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from comitia.errors import ConfigError

LOCK = Path(__file__).with_name("jgo.lock.toml")
TIMEOUT_S = 30
ATTEMPTS = 3
DOWNLOADS_AT_ONCE = 4

# (bytes done, bytes of all that is to be fetched, file that is being fetched)
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Jar:
    """One locked file: Maven coordinates, SHA-256 in hex, size in bytes."""

    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def locked(lock: Path = LOCK) -> tuple[Jar, ...]:
    """The jars that a lock names, in the order of the class path."""
    entries = tomllib.loads(lock.read_text(encoding="utf-8"))["dependencies"]
    return tuple(
        Jar(e["groupId"], e["artifactId"], e["version"], e["sha256"], e["size"]) for e in entries
    )


def missing(cache_dir: Path, lock: Path = LOCK) -> tuple[Jar, ...]:
    """Those of the locked jars that the cache does not hold yet (their sizes are what a start would
    download).
    """
    return tuple(jar for jar in locked(lock) if not (_folder(cache_dir) / jar.filename).exists())


def resolve_jars(
    cache_dir: Path, progress: Progress | None = None, lock: Path = LOCK
) -> tuple[Path, ...]:
    """The class path: every locked jar, verified. Without missing jars nothing but the disk is
    asked.

    Raises ConfigError when the cache cannot be written, a jar cannot be fetched, or a digest
    differs.
    """
    folder = _folder(cache_dir)
    wanted = missing(cache_dir, lock)
    if wanted:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder.parent) as scratch:
                _fetch(wanted, folder, Path(scratch), progress)
        except OSError as error:
            raise ConfigError(
                f"cannot keep Apache Kafka's jars in {folder}: {error}. Make the folder writable, "
                f"free some disk space"
                " (45 MB are needed), or set COMITIA_CACHE_DIR to another one."
            ) from error
    for jar in locked(lock):
        _verify(jar, folder / jar.filename)
    return tuple(folder / jar.filename for jar in locked(lock))


def _folder(cache_dir: Path) -> Path:
    return cache_dir / "kafka" / "jars"


def _verify(jar: Jar, path: Path) -> None:
    with path.open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
    if actual != jar.sha256:
        raise ConfigError(
            f"{path} is not the file that Comitia was tested with: its SHA-256 is {actual}, the "
            f"lock says {jar.sha256}."
            " It was altered or damaged; delete it and start again to fetch it anew."
        )


def _fetch(wanted: tuple[Jar, ...], folder: Path, scratch: Path, progress: Progress | None) -> None:
    # jgo and requests take 0.2 s to import; a start with everything in the cache does without them.
    from jgo.maven import MavenContext, PythonResolver

    total = sum(jar.size for jar in wanted)
    counted: dict[str, int] = {}
    guard = Lock()

    @contextmanager
    def report(name: str, _size: int) -> Iterator[Callable[[int], None]]:
        counted[name] = 0  # a second attempt begins anew

        def add(count: int) -> None:
            with guard:
                counted[name] += count
                if progress is not None:
                    progress(min(sum(counted.values()), total), total, name)

        yield add

    context = MavenContext(
        resolver=PythonResolver(progress_callback=report), repo_cache=scratch, timeout=TIMEOUT_S
    )

    def fetch(jar: Jar) -> None:
        fetched = _download(context, jar)
        _verify(jar, fetched)
        shutil.move(fetched, folder / jar.filename)

    # Small files: the round trips cost more than the bytes.
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        for _ in pool.map(fetch, wanted):
            pass


def _download(context: Any, jar: Jar) -> Path:
    import requests

    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return Path(artifact.resolve())
        except (requests.RequestException, RuntimeError) as error:
            # jgo says RuntimeError for a file that no repository has. It writes straight to the
            # target.
            Path(artifact.cached_path).unlink(missing_ok=True)
            if attempt == ATTEMPTS:
                reason = type(error).__name__
                raise ConfigError(
                    f"cannot fetch {jar.filename} of Apache Kafka from Maven Central ({reason}). "
                    f"The first start needs"
                    " the network (proxies: HTTPS_PROXY); later ones do not. Try again, or give a "
                    "cluster of your own"
                    " with --bootstrap."
                ) from error
    raise AssertionError("unreachable: the last attempt returns or raises")
