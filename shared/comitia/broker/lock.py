"""One owner for a state directory: an advisory lock that dies with its holders, and who holds it.

The lock is flock(2) on a file that is never deleted. Its descriptor is handed down to every JVM, so
the directory stays locked while anything may still write to it; a pid alone decides nothing. The
owner's pid and mark are kept beside it for messages and for `comitia down`. flock on a network file
system may not exclude other machines: keep the state directory local.
"""

import fcntl
import os
import time
from pathlib import Path

from comitia.broker.identity import ProcessRecord, read_record, write_record
from comitia.broker.settings import STATE_SETTING
from comitia.errors import ConfigError

RETRY_S = 1.0
PAUSE_S = 0.05


class OwnerLock:
    """The exclusive right to a broker's folder. `acquire`, then `fd` may be passed on; `release`
    when all is stopped.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._fd: int | None = None

    @property
    def fd(self) -> int:
        """The descriptor that children inherit. Only while the lock is held."""
        if self._fd is None:
            raise RuntimeError("the lock is not held")
        return self._fd

    def acquire(self) -> None:
        """Take the lock or raise ConfigError that says who has it. Waits a second for a former
        owner's last breath.
        """
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"cannot keep Apache Kafka's data in {self._home}: {error.strerror}. Make the "
                f"directory writable or set"
                f" {STATE_SETTING} to another one."
            ) from error
        if not _wait_for(fd):
            os.close(fd)
            raise ConfigError(self._taken())
        self._fd = fd
        write_record(self._owner_file, os.getpid())

    def release(self) -> None:
        """Give the lock up; without one, nothing happens."""
        if self._fd is not None:
            self._owner_file.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = None

    @property
    def _owner_file(self) -> Path:
        return self._home / "owner.json"

    def _taken(self) -> str:
        owner = read_owner(self._home)
        who = f"process {owner.pid}" if owner else "a broker whose owner is gone"
        return (
            f"Comitia already runs an Apache Kafka in {self._home} ({who}). Use it as it is, stop "
            f"it with `comitia down`,"
            f" or set {STATE_SETTING} to another directory."
        )


def read_owner(home: Path) -> ProcessRecord | None:
    """The process that owns the folder, if it is alive."""
    record = read_record(home / "owner.json")
    return record if record is not None and record.alive() else None


def _wait_for(fd: int) -> bool:
    end = time.monotonic() + RETRY_S
    while not _try(fd):
        if time.monotonic() > end:
            return False
        time.sleep(PAUSE_S)
    return True


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
