"""Who owns a broker's folder and its processes: locks, records of processes, the keeper, ports.
`sleep` stands in for the JVM.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import psutil
import pytest

from comitia.broker import running, stop_running
from comitia.broker.identity import ProcessRecord, read_record, start_mark, write_record
from comitia.broker.lock import OwnerLock
from comitia.broker.node import ensure_free
from comitia.broker.probe import broker_ids
from comitia.errors import ConfigError

WAIT_S = 20


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Some process of ours that does nothing."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_a_reused_pid_is_not_taken_for_the_process_and_never_signalled(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    stale = ProcessRecord(child.pid, "the mark of a process that had this pid before")
    assert not stale.alive()
    assert stale.signal(signal.SIGKILL) is False
    assert child.poll() is None, "the stranger under the same pid lives on"
    record = write_record(tmp_path / "p.json", child.pid, 19092)
    assert read_record(tmp_path / "p.json") == record
    assert record.signal(signal.SIGKILL) is True
    child.wait(WAIT_S)
    assert not record.alive()


def test_marks_differ_between_processes_and_end_with_them(child: subprocess.Popen[bytes]) -> None:
    mark = start_mark(child.pid)
    assert mark is not None
    assert mark != start_mark(os.getpid())
    child.kill()
    # A killed child that nobody has waited for is a zombie: gone, for our purposes.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert start_mark(child.pid) is None


def test_left_over_records_are_no_running_broker(tmp_path: Path) -> None:
    node = tmp_path / "broker" / "node-0"
    node.mkdir(parents=True)
    for content in ("", "{", json.dumps({"pid": os.getpid(), "mark": "older", "port": 1})):
        (node / "process.json").write_text(content)
        assert running(tmp_path) is None
        assert stop_running(tmp_path) is False


def test_second_owner_is_refused_with_a_message_that_names_the_first(tmp_path: Path) -> None:
    first, second = OwnerLock(tmp_path), OwnerLock(tmp_path)
    first.acquire()
    assert locked(tmp_path)
    with pytest.raises(ConfigError, match=rf"process {os.getpid()}\).*comitia down"):
        second.acquire()
    first.release()
    assert not locked(tmp_path)
    second.acquire()
    second.release()


def test_state_directory_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="COMITIA_STATE_DIR"):
        OwnerLock(tmp_path / "file" / "broker").acquire()


def test_taken_port_is_named_with_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} .* taken .*COMITIA_BROKER_PORT"):
            ensure_free(port)
    ensure_free(port)


def test_port_that_is_no_port_is_named() -> None:
    with pytest.raises(ConfigError, match="port 70000"):
        ensure_free(70_000)


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x00\x00\x00\x05"])
def test_another_server_is_not_taken_for_a_broker(reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(64)
                connection.sendall(reply)

        thread = Thread(target=answer)
        thread.start()
        assert broker_ids(*server.getsockname()) is None
        thread.join()


def locked(home: Path) -> bool:
    """Does somebody hold the lock? Tried with flock(2) itself, as any other program would."""
    with (home / "lock").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


# An owner as cluster.py is one: holds the lock, starts a keeper with a pipe, and waits to be
# killed. In place of the JVM the keeper runs `sleep`, or a shell that ignores SIGTERM.
OWNER = textwrap.dedent(
    """
    import subprocess, sys, time
    from pathlib import Path
    from comitia.broker.lock import OwnerLock
    home, command = Path(sys.argv[1]), sys.argv[2:]
    lock = OwnerLock(home)
    lock.acquire()
    node = home / "node-0"
    node.mkdir()
    keeper = subprocess.Popen(
        [sys.executable, "-m", "comitia.broker.keeper", str(node / "process.json"), "1",
         str(lock.fd), "0.5", *command],
        stdin=subprocess.PIPE, pass_fds=(lock.fd,), start_new_session=True)
    print(keeper.pid, flush=True)
    time.sleep(600)
    """
)


@dataclass(frozen=True)
class Family:
    """An owner, its keeper, and what the keeper keeps."""

    owner: psutil.Popen
    keeper: psutil.Process
    kept: psutil.Process

    @property
    def all(self) -> tuple[psutil.Process, ...]:
        return self.owner, self.keeper, self.kept


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Callable[..., Family]]:
    """Starts families in `tmp_path`; whatever a failing test leaves of them is ended."""
    made: list[Family] = []

    def start(*command: str) -> Family:
        owner = psutil.Popen(
            [sys.executable, "-c", OWNER, str(tmp_path), *command],
            stdout=subprocess.PIPE,
            text=True,
        )
        keeper = int(owner.stdout.readline())
        assert owner.stdout.readline() == "kept\n"
        kept = record_of(tmp_path).pid
        made.append(Family(owner, psutil.Process(keeper), psutil.Process(kept)))
        return made[-1]

    yield start
    for one in made:
        for process in one.all:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        one.owner.wait()
        one.owner.stdout.close()


def wait_for_end(process: psutil.Process) -> None:
    """Until it is gone, or dead and waiting for a parent that may not be ours."""
    end = time.monotonic() + WAIT_S
    while start_mark(process.pid) is not None:
        assert time.monotonic() < end, f"{process} goes on"
        time.sleep(0.01)


def record_of(home: Path) -> ProcessRecord:
    """The record appears moments after the process: asked again and again until then."""
    end = time.monotonic() + WAIT_S
    while (record := read_record(home / "node-0" / "process.json")) is None:
        assert time.monotonic() < end, "the keeper notes no process"
        time.sleep(0.01)
    return record


POLITE = (sys.executable, "-c", "import time; print('kept', flush=True); time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('kept', flush=True); time.sleep(600)",
)


@pytest.mark.parametrize("command", [POLITE, STUBBORN], ids=["polite", "stubborn"])
def test_a_killed_owner_takes_its_broker_with_it(
    tmp_path: Path, family: Callable[..., Family], command: tuple[str, ...]
) -> None:
    one = family(*command)
    assert locked(tmp_path)
    one.owner.kill()
    wait_for_end(one.kept)
    wait_for_end(one.keeper)
    assert not locked(tmp_path)
    assert read_record(tmp_path / "node-0" / "process.json") is None


def test_the_directory_stays_locked_while_a_broker_outlives_owner_and_keeper(
    tmp_path: Path, family: Callable[..., Family]
) -> None:
    one = family(*POLITE)
    one.keeper.kill()
    wait_for_end(one.keeper)
    one.owner.kill()
    wait_for_end(one.owner)
    with pytest.raises(ConfigError, match="whose owner is gone"):
        OwnerLock(tmp_path).acquire()
    # The record that the keeper left still names this very process, so it can be ended by it.
    assert record_of(tmp_path).signal(signal.SIGKILL)
    wait_for_end(one.kept)
    assert not locked(tmp_path)


def test_a_broker_that_dies_ends_its_keeper(tmp_path: Path, family: Callable[..., Family]) -> None:
    one = family(*POLITE)
    one.kept.kill()
    wait_for_end(one.keeper)
    assert one.owner.is_running()
    assert locked(tmp_path), "the owner may start it again; nobody else may"


def test_a_keeper_asked_to_end_ends_its_broker(family: Callable[..., Family]) -> None:
    one = family(*POLITE)
    one.keeper.terminate()
    wait_for_end(one.kept)
