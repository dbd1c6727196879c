"""One node of the embedded broker as a process: started through its keeper, watched until it
answers, stopped or killed.

Settings, the node's number and an inherited lock come in; a process that serves on loopback is what
goes out. Nothing here waits without a bound, and every failure is a ConfigError that gives the
broker's own reason.
"""

import contextlib
import errno
import signal
import socket
import subprocess
import sys
from pathlib import Path

from comitia.broker import properties
from comitia.broker.explain import explain
from comitia.broker.identity import ProcessRecord, read_record
from comitia.broker.probe import broker_ids
from comitia.broker.settings import HOST, PORT_SETTING, BrokerSettings
from comitia.broker.storage import Installation
from comitia.errors import ConfigError

# Apache Kafka closes its logs within a second or two; an unclean end costs a recovery at the next
# start.
GRACE_S = 20.0
# Of several nodes that all stop, the last ones lack a quorum to say goodbye to: waiting is in vain.
GRACE_OF_SEVERAL_S = 5.0


def record_file(node_dir: Path) -> Path:
    """Where a node's keeper notes the JVM's pid, mark and port."""
    return node_dir / "process.json"


class Node:
    """Node `number` of `settings`; at most one process at a time."""

    def __init__(self, settings: BrokerSettings, number: int, installation: Installation) -> None:
        self._settings = settings
        self._number = number
        self._installation = installation
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def started(self) -> bool:
        """Has it been started, and neither stopped nor killed since? It may have died by itself."""
        return self._keeper is not None

    @property
    def ended(self) -> bool:
        """Has it been started and ended by itself?"""
        return self._keeper is not None and self._keeper.poll() is not None

    @property
    def pid(self) -> int | None:
        """The JVM's pid while it runs."""
        record = self._record()
        return record.pid if record is not None else None

    def start(self, lock_fd: int) -> None:
        """Start the process; `ready` says when it serves. ConfigError when one of its ports is
        taken.
        """
        settings, number = self._settings, self._number
        ensure_free(settings.client_port(number))
        ensure_free(settings.controller_port(number))
        # What is in the logs from now on is about this start; the last one's words are kept beside
        # them.
        for log in self._logs():
            if log.exists():
                log.replace(log.with_suffix(".previous.log"))
        java = self._installation.command(
            properties.jvm_options(settings, number),
            "kafka.Kafka",
            str(properties.properties_file(settings, number)),
        )
        record_path = record_file(settings.node_dir(number))
        record_path.unlink(missing_ok=True)
        keeper = [sys.executable, "-P", "-m", "comitia.broker.keeper"]
        grace_s = GRACE_S if settings.nodes == 1 else GRACE_OF_SEVERAL_S
        keeper += [str(record_path), str(settings.client_port(number)), str(lock_fd), str(grace_s)]
        with properties.output_file(settings, number).open("wb") as output:
            self._keeper = subprocess.Popen(
                keeper + java,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(lock_fd,),
                # Ctrl-C at the terminal is for the owner, who stops the services first and the
                # broker last.
                start_new_session=True,
            )

    def ready(self, others: frozenset[int]) -> bool:
        """Does it answer, and know all of `others` and itself to be alive? ConfigError when the
        process has ended.
        """
        if self.ended:
            raise ConfigError(f"Apache Kafka did not start: {self.reason()}")
        known = broker_ids(HOST, self._settings.client_port(self._number))
        return known is not None and known >= others | {self._number}

    def reason(self) -> str:
        """Why it ended, or what it says that it is stuck with."""
        return explain(self._settings.node_dir(self._number), self._logs())

    def stop(self) -> None:
        """Ask it to end (the keeper sees to it within GRACE_S) and wait until it has."""
        self.ask_to_stop()
        self.wait()

    def ask_to_stop(self) -> None:
        """Close the pipe: the keeper ends the JVM. Returns at once."""
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()

    def wait(self) -> None:
        """Wait for the end after `ask_to_stop` or `kill`."""
        if self._keeper is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._keeper.wait(GRACE_S + 10)
            if self._keeper.poll() is None:
                self._signal_jvm(signal.SIGKILL)
                self._keeper.kill()
                self._keeper.wait()
            self._keeper = None

    def kill(self) -> None:
        """SIGKILL the JVM: no last words, as in a crash of the machine."""
        self._signal_jvm(signal.SIGKILL)
        self.stop()

    def _signal_jvm(self, number: signal.Signals) -> None:
        record = self._record()
        if record is not None:
            record.signal(number)

    def _record(self) -> ProcessRecord | None:
        record = read_record(record_file(self._settings.node_dir(self._number)))
        return record if record is not None and record.alive() else None

    def _logs(self) -> tuple[Path, Path]:
        settings, number = self._settings, self._number
        return properties.log_file(settings, number), properties.output_file(settings, number)


def ensure_free(port: int) -> None:
    """Raise ConfigError when this port of the loopback address cannot be listened on."""
    with socket.socket() as trial:
        # As the JVM does: connections of a former broker in TIME_WAIT do not count.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except (OSError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                kafka = broker_ids(HOST, port) is not None
                hint = (
                    f"; an Apache Kafka answers there, --bootstrap {HOST}:{port} would use it"
                    if kafka
                    else ""
                )
                problem = f"is taken by another program{hint}"
            else:
                problem = f"cannot be used ({error})"
            raise ConfigError(
                f"port {port} of {HOST} {problem}. Set {PORT_SETTING} to a free port (the one "
                f"above it is needed too)."
            ) from error
