"""Starts a command that ends with the supervisor, even when the supervisor is killed without
warning.

Run as a script: `lifeline.py SUPERVISOR_PID FD COMMAND...`, as leader of a process group. On Linux
the kernel is asked to end the process with its parent, and the command takes this process's place.
Elsewhere this process stays, watches FD (the read end of a pipe whose other end only the supervisor
holds) and ends its whole group when the pipe closes. It imports nothing of Comitia, so that it
costs a few milliseconds.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _kernel_follows_parents() -> bool:
    return sys.platform == "linux"


def _follow_parent(supervisor: int) -> None:
    """Have the kernel send SIGKILL when the parent ends; end at once if it has ended already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != supervisor:
        sys.exit(1)


def _watch(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main(supervisor: int, pipe: int, command: list[str]) -> int:
    """Run `command`; its exit status, or minus the signal that ended it."""
    if _kernel_follows_parents():
        os.close(pipe)
        _follow_parent(supervisor)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
            return 127
    threading.Thread(target=_watch, args=(pipe,), daemon=True).start()
    # The group's signals reach the command directly; this process only waits for it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with subprocess.Popen(command, restore_signals=True) as child:
            return child.wait()
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        return 127


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
