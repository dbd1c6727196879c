"""Deliberate breaks of LocalLog, as a plugin of pytest: `-p tests.contract.breaks --break NAME`.

Each takes away one promise of Apache Kafka. The contract suite must fail then, which test_breaks.py
shows: a suite that passes on a broken LocalLog would prove nothing about the whole one.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from comitia.ports import Committed, Partitions, TopicPartition
from comitia.testing.group import Group, Member
from comitia.testing.local_log import LocalLog
from comitia.testing.partition import Partition, Transaction, _Entry
from comitia.testing.reader import LocalReader
from comitia.testing.writer import LocalWriter
from tests.contract import world


def _replace(owner: type, name: str, value: Any) -> None:
    setattr(owner, name, value)


def aborted_are_visible() -> None:
    """Committed readers see what was aborted."""

    def visible(entry: _Entry, read_committed: bool) -> bool:
        open_now = entry.transaction is not None and entry.transaction.state == "open"
        return entry.record is not None and not (read_committed and open_now)

    _replace(_Entry, "visible", visible)


def end_ignores_open_transactions() -> None:
    """The last stable offset is the high watermark."""
    _replace(Partition, "last_stable", property(lambda partition: partition.high_watermark))


def nobody_is_fenced() -> None:
    """Two writers of one transactional id write side by side."""

    async def writer(log: LocalLog, transactional_id: str | None = None) -> LocalWriter:
        made = LocalWriter(log, transactional_id)
        if transactional_id is not None:
            log._writers[f"{transactional_id} {len(log._writers)}"] = made
        return made

    _replace(LocalLog, "writer", writer)


def anybody_commits() -> None:
    """Commits are taken without a look at membership, generation or assignment."""

    def commit(group: Group, _: Member, offsets: Mapping[TopicPartition, Committed]) -> None:
        group.committed.update(offsets)

    _replace(Group, "commit", commit)


def markers_take_no_offset() -> None:
    """The end of a transaction leaves no gap in the offsets."""

    def append_marker(partition: Partition, transaction: Transaction, _: int) -> None:
        del partition._open[transaction]

    _replace(Partition, "append_marker", append_marker)


def pauses_survive_a_rebalance() -> None:
    """What was paused stays paused with a new assignment."""
    take: Callable[[LocalReader, Partitions], None] = LocalReader._take

    def take_and_keep(reader: LocalReader, partitions: Partitions) -> None:
        paused = reader._paused & partitions
        take(reader, partitions)
        reader._paused |= paused

    _replace(LocalReader, "_take", take_and_keep)


def metadata_is_dropped() -> None:
    """A committed position keeps its offset and forgets the committer's metadata."""
    commit = Group.commit

    def commit_offsets(
        group: Group, member: Member, offsets: Mapping[TopicPartition, Committed]
    ) -> None:
        commit(group, member, {tp: Committed(one.offset) for tp, one in offsets.items()})

    _replace(Group, "commit", commit_offsets)


def transactions_stay_open_for_ever() -> None:
    """No transaction runs into its timeout, and no session either."""
    _replace(LocalLog, "expire", lambda log: None)


BREAKS: Mapping[str, Callable[[], None]] = {
    broken.__name__.replace("_", "-"): broken
    for broken in (
        aborted_are_visible,
        end_ignores_open_transactions,
        nobody_is_fenced,
        anybody_commits,
        markers_take_no_offset,
        pauses_survive_a_rebalance,
        metadata_is_dropped,
        transactions_stay_open_for_ever,
    )
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--break", dest="broken", choices=sorted(BREAKS), help="break LocalLog")


def pytest_configure(config: pytest.Config) -> None:
    # LocalLog needs no patience: what it does not do at once it will not do in a minute either.
    world.PATIENCE_MS, world.FETCH_MS = 1_000, 20
    broken = config.getoption("broken")
    if broken:
        BREAKS[broken]()
