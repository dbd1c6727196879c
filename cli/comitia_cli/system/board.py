"""The record of a running system on disk: who supervises it, where it is reached, how its services
are.

The supervisor holds a lock for as long as it lives and rewrites `up.json` as things change; other
commands read it. The lock alone says whether a system is up: what a killed supervisor left in the
file counts for nothing.
"""

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from comitia.errors import ConfigError
from comitia_cli.system.supervisor import ServiceState

SystemPhase = Literal["starting", "ready", "impaired", "stopping"]


@dataclass
class SystemState:
    """A system as its supervisor sees it.

    `phase` "impaired": it was ready, and something is down. `doing`: what the start is busy with.
    `ready_s`: seconds that the start took.
    """

    pid: int
    bootstrap: str = ""
    prefix: str = ""
    embedded: bool = True
    phase: SystemPhase = "starting"
    doing: str = ""
    ready_s: float = 0.0
    broker: ServiceState | None = None
    services: list[ServiceState] = field(default_factory=list)

    @property
    def rows(self) -> list[ServiceState]:
        """The broker, where it is ours, and every service."""
        return [*([self.broker] if self.broker else []), *self.services]


class Board:
    """The record in one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self._dir = state_dir
        self._file = state_dir / "up.json"
        self._lock: int | None = None

    def claim(self) -> None:
        """Become the supervisor. ConfigError when there is one, or when the directory cannot be
        written.
        """
        try:
            self._dir.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._dir / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"cannot write to {self._dir}: {error.strerror}. Make it writable, or set "
                "COMITIA_STATE_DIR to another folder"
            ) from error
        if not _take(lock):
            os.close(lock)
            raise ConfigError(already_up(self.read()))
        self._lock = lock

    def write(self, state: SystemState) -> None:
        """Put the record in place in one step. Only the supervisor does."""
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
        draft.replace(self._file)

    def release(self) -> None:
        """Take the record away and let the lock go."""
        if self._lock is not None:
            self._file.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def up(self) -> bool:
        """Does a supervisor live?"""
        try:
            lock = os.open(self._dir / "up.lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _take(lock)
        finally:
            os.close(lock)

    def read(self) -> SystemState | None:
        """The record of the living supervisor; None without one, or before it has written."""
        if not self.up():
            return None
        try:
            fields = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        services = [ServiceState(**service) for service in fields.pop("services")]
        broker = fields.pop("broker")
        return SystemState(
            **fields, services=services, broker=ServiceState(**broker) if broker else None
        )

    def stale_pid(self) -> int | None:
        """The supervisor that a left-over record names, when nobody holds the lock."""
        if self.up() or not self._file.exists():
            return None
        try:
            return int(json.loads(self._file.read_text(encoding="utf-8"))["pid"])
        except (ValueError, KeyError, TypeError):
            # Cut off in writing: there is a left-over all the same.
            return 0


def already_up(state: SystemState | None) -> str:
    """What a second `comitia up` is told."""
    if state is None:
        return "Comitia is just starting or stopping: wait a moment, or look with `comitia up`"
    where = f" on {state.bootstrap}" if state.bootstrap else ""
    return (
        f"Comitia is already up{where} (process {state.pid}, {state.phase}): ask it with "
        "`comitia ask`, stop it with `comitia down`"
    )


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
