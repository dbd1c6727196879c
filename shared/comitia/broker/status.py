"""A broker that some process started in a state directory: found, described, and stopped from
outside (`comitia down`).

What is trusted is what the operating system says: a record counts only while the very process that
it names is alive.
"""

import signal
import time
from dataclasses import dataclass
from pathlib import Path

from comitia.broker.identity import ProcessRecord, read_record
from comitia.broker.lock import read_owner
from comitia.broker.node import GRACE_S, record_file
from comitia.broker.probe import broker_ids
from comitia.broker.settings import HOST, broker_home

PAUSE_S = 0.05


@dataclass(frozen=True)
class BrokerStatus:
    """A running broker. `owner_pid` is None when its owner is gone; `answering` says whether every
    node answers now.
    """

    bootstrap: str
    owner_pid: int | None
    pids: tuple[int, ...]
    answering: bool


def running(state_dir: Path) -> BrokerStatus | None:
    """The broker that runs in this state directory, None when none does (left-over files do not
    count).
    """
    records = _alive(state_dir)
    if not records:
        return None
    owner = read_owner(broker_home(state_dir))
    return BrokerStatus(
        bootstrap=",".join(f"{HOST}:{record.port}" for record in records),
        owner_pid=owner.pid if owner is not None else None,
        pids=tuple(record.pid for record in records),
        answering=all(broker_ids(HOST, record.port) is not None for record in records),
    )


def stop_running(state_dir: Path, grace_s: float = GRACE_S) -> bool:
    """End a broker whoever started it: SIGTERM, up to `grace_s`, SIGKILL. True when there was one.

    An owner that is still alive sees its broker die; ask the owner first where there is one.
    """
    records = _alive(state_dir)
    for record in records:
        record.signal(signal.SIGTERM)
    end = time.monotonic() + grace_s
    while any(record.alive() for record in records) and time.monotonic() < end:
        time.sleep(PAUSE_S)
    for record in records:
        record.signal(signal.SIGKILL)
    return bool(records)


def _alive(state_dir: Path) -> list[ProcessRecord]:
    home = broker_home(state_dir)
    records = (read_record(record_file(folder)) for folder in sorted(home.glob("node-*")))
    return [record for record in records if record is not None and record.alive()]
