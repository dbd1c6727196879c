"""A process between the owner and a broker's JVM that ends the JVM when the owner is gone, however
the owner died.

    python -m comitia.broker.keeper RECORD PORT LOCK_FD GRACE_S COMMAND...

Standard input is a pipe whose other end only the owner holds: when it closes (told to stop, or
killed), the JVM gets SIGTERM, GRACE_S seconds, then SIGKILL. That works on Linux and macOS alike,
where only Linux has a parent-death signal. As the JVM's parent the keeper alone can be sure of its
pid; it notes pid and mark in RECORD. The JVM inherits LOCK_FD, so the lock on the state directory
lasts exactly as long as somebody may write there, even if the keeper itself is killed.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from comitia.broker.identity import write_record

STDIN = 0


def main(arguments: list[str]) -> int:
    """Run the command until it ends or the owner does; returns the command's exit status."""
    record, port, lock_fd, grace_s = arguments[:4]
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, _noticed)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    child = subprocess.Popen(
        arguments[4:], stdin=subprocess.DEVNULL, pass_fds=(int(lock_fd),), cwd=Path(record).parent
    )
    # The lock is the child's now; the keeper must not outlast it with the lock in hand.
    os.close(int(lock_fd))
    write_record(Path(record), child.pid, int(port))

    while child.poll() is None:
        readable, _, _ = select.select([STDIN, wake_read], [], [])
        if wake_read in readable and signal.SIGTERM in os.read(wake_read, 64):
            break
        if STDIN in readable and not os.read(STDIN, 64):
            break
    status = _end(child, float(grace_s))
    Path(record).unlink(missing_ok=True)
    return status


def _noticed(_number: int, _frame: object) -> None:
    """Signals only have to reach the wake-up pipe."""


def _end(child: "subprocess.Popen[bytes]", grace_s: float) -> int:
    if child.poll() is None:
        child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(grace_s)
    child.kill()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
