"""How far a publication got, kept on disk so that a run that broke goes on where it stopped.

One small JSON file per published file, named by the file's path and content; it is removed when the
run is complete, so that publishing the same file again later is a new run with new ids.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from comitia.errors import ConfigError
from comitia.ports import TopicPartition

_CHUNK = 1 << 20


@dataclass
class Journal:
    """A run. `run` stands in the ids of tasks that had none. `lines`: all up to here are
    acknowledged or reported as bad.

    `start`: where `decisions` ended before the first task, to find the decisions of a resumed run.
    """

    path: Path | None
    run: str
    lines: int = 0
    start: Mapping[TopicPartition, int] | None = None

    @property
    def resumed(self) -> bool:
        return self.start is not None and self.lines > 0

    def save(self) -> None:
        """Write it in one step. ConfigError when the state directory cannot be written."""
        if self.path is None or self.start is None:
            return
        start = [[tp.topic, tp.partition, offset] for tp, offset in self.start.items()]
        draft = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps({"run": self.run, "lines": self.lines, "start": start}))
            draft.replace(self.path)
        except OSError as error:
            raise ConfigError(
                f"cannot note the progress in {self.path.parent}: {error.strerror}. Make it "
                "writable, or set COMITIA_STATE_DIR to another folder"
            ) from error

    def finish(self) -> None:
        """The run is complete: nothing is left to resume."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def open_journal(file: Path | None, folder: Path, target: str) -> Journal:
    """The journal of a file on a cluster and prefix (`target`): that of a broken run, else a fresh
    one.

    `file` None (standard input) cannot be resumed.
    """
    if file is None:
        return Journal(None, _fresh())
    digest = hashlib.sha256(f"{file.resolve()}\n{target}\n".encode())
    with file.open("rb") as content:
        while block := content.read(_CHUNK):
            digest.update(block)
    path = folder / f"{digest.hexdigest()[:32]}.json"
    if not path.exists():
        return Journal(path, _fresh())
    kept = json.loads(path.read_text(encoding="utf-8"))
    start = {TopicPartition(topic, number): offset for topic, number, offset in kept["start"]}
    return Journal(path, kept["run"], kept["lines"], start)


def _fresh() -> str:
    return secrets.token_hex(6)
