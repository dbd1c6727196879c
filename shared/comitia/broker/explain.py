"""Why a broker did not start, or died: its own logs read for the causes that a user can do
something about.

Comes in: the files that a node wrote. Goes out: one sentence that says what is wrong and what to
change; for anything unknown the last error of the log and where to read on.
"""

import re
import shutil
from pathlib import Path

from comitia.broker.settings import PORT_SETTING, STATE_SETTING

TAIL_BYTES = 256 * 1024

# A log on a full disk breaks off before it says so. Less than this is full.
FULL_BYTES = 1 << 20

# In the order in which they are looked for: the first is the most telling where several appear.
CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"No space left on device|Disk quota exceeded",
        f"the disk is full. Free some space where {{folder}} lies, or set {STATE_SETTING} to a "
        f"directory on another disk",
    ),
    (
        r"Address already in use|Socket server failed to bind",
        f"its port is taken by another program. End that one, or set {PORT_SETTING} to another "
        f"port",
    ),
    (
        r"AccessDeniedException|Permission denied|Read-only file system|Operation not permitted",
        f"{{folder}} cannot be written. Give yourself the right to, or set {STATE_SETTING} to "
        f"another directory",
    ),
    (
        r"UnsupportedClassVersionError",
        "its Java is too old. Set JAVA_HOME to Java 17 or newer",
    ),
    (
        r"OutOfMemoryError|Could not reserve enough space|insufficient memory|Cannot allocate "
        r"memory",
        "there is not enough memory: it wants 512 MiB of heap and as much again around it. End "
        "other programs",
    ),
    (
        r"Too many open files",
        "it may not open enough files. Raise the limit (ulimit -n 4096) and start again",
    ),
    (
        r"InconsistentClusterIdException|CorruptRecordException|doesn't have a valid "
        r"meta.properties|No `meta.properties`",
        "its data in {folder} is damaged. If nothing there is needed any more, `comitia down "
        "--purge` removes it",
    ),
)
_ERROR = re.compile(
    r"^.*(?:\b(?:ERROR|FATAL)\b|Exception in thread|Exception:|Error:).*$", re.MULTILINE
)


def explain(folder: Path, files: tuple[Path, ...]) -> str:
    """The cause, as a clause to follow "the broker ended: ". `folder` is the node's own; missing
    files are skipped.
    """
    text = "\n".join(_tail(file) for file in files)
    if shutil.disk_usage(folder).free < FULL_BYTES:
        text += "No space left on device"
    for pattern, sentence in CAUSES:
        if re.search(pattern, text):
            return sentence.format(folder=folder) + _more(files)
    errors = _ERROR.findall(text)
    return (errors[-1].strip()[:300] if errors else "it left no reason") + _more(files)


def _more(files: tuple[Path, ...]) -> str:
    return f" (see {files[0]})"


def _tail(file: Path) -> str:
    if not file.exists():
        return ""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - TAIL_BYTES))
        return stream.read().decode("utf-8", "replace")
