"""A consumer group of LocalLog: members, generations, a range assignment, committed positions and
their metadata.

In come joins, leaves, silence and commits; out go assignments. The protocol is the eager one: at
each rebalance every member loses all partitions, then gets its new ones, through hooks that never
await. Membership with an instance id is static: it outlives its reader by the session timeout, and
a reader that comes back in time takes its partitions without a rebalance.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from comitia.errors import Retryable
from comitia.ports import Committed, Partitions, TopicPartition


@dataclass(eq=False, slots=True)
class Member:
    """One membership. `changed` is told the new partitions; `silent_since_ms` is set while no
    heartbeats come. `generation` is the last one that this member has been told of.
    """

    name: str
    static: bool
    topics: tuple[str, ...]
    changed: Callable[[Partitions], None]
    revoked: Callable[[], None]
    partitions: Partitions = frozenset()
    silent_since_ms: int | None = None
    generation: int = -1


class Group:
    """One group by its id. `partitions_of` lists a topic's partitions."""

    def __init__(self, partitions_of: Callable[[str], list[TopicPartition]]) -> None:
        self._partitions_of = partitions_of
        self._members: dict[str, Member] = {}
        self.generation = 0
        self.committed: dict[TopicPartition, Committed] = {}

    def has(self, member: Member) -> bool:
        """Whether `member` itself, and not another one of the same name, belongs to the group."""
        return self._members.get(member.name) is member

    def replaced(self, member: Member) -> bool:
        """Whether another reader has taken over this static membership."""
        return self._members.get(member.name, member) is not member

    def join(self, member: Member) -> None:
        """Add a member; one that brings back a static name inherits its partitions."""
        former = self._members.get(member.name)
        self._members[member.name] = member
        if former is not None and former.topics == member.topics:
            member.partitions = former.partitions
            self.tell(member)
        else:
            self._rebalance()

    def tell(self, member: Member) -> None:
        """Let `member` know its share of this generation; who is silent asks when it wakes."""
        if member.silent_since_ms is not None:
            return
        member.generation = self.generation
        member.changed(member.partitions)

    def leave(self, member: Member) -> None:
        if self.has(member):
            del self._members[member.name]
            self._rebalance()

    def expire(self, silent_before_ms: int) -> bool:
        """Drop members that are silent since before then; whether there were any."""
        gone = [
            member
            for member in self._members.values()
            if member.silent_since_ms is not None and member.silent_since_ms <= silent_before_ms
        ]
        for member in gone:
            del self._members[member.name]
        if gone:
            self._rebalance()
        return bool(gone)

    def commit(self, member: Member, offsets: Mapping[TopicPartition, Committed]) -> None:
        """Record positions; Retryable when the member is out of the group, has not been told of
        the group's generation, or does not hold a partition.
        """
        if not self.has(member) or member.generation != self.generation:
            raise Retryable("commit refused: the group went on without this member")
        for partition in offsets:
            if partition not in member.partitions:
                raise Retryable(
                    f"commit refused: {partition.topic}[{partition.partition}] is not this member's"
                )
        self.committed.update(offsets)

    def _rebalance(self) -> None:
        self.generation += 1
        # Who is silent does not take part: a static member keeps a share that it is not told of,
        # others are dropped.
        self._members = {
            name: member
            for name, member in self._members.items()
            if member.static or member.silent_since_ms is None
        }
        listening = [m for m in self._members.values() if m.silent_since_ms is None]
        for member in listening:
            member.revoked()
        shares = self._range()
        for name, member in self._members.items():
            member.partitions = shares[name]
        for member in listening:
            self.tell(member)

    def _range(self) -> dict[str, Partitions]:
        """Each topic's partitions cut into runs, in order of the members' names (Kafka's range
        assignor).
        """
        shares: dict[str, set[TopicPartition]] = {name: set() for name in self._members}
        for topic in sorted({topic for m in self._members.values() for topic in m.topics}):
            names = sorted(name for name, m in self._members.items() if topic in m.topics)
            partitions = self._partitions_of(topic)
            size, extra = divmod(len(partitions), len(names))
            start = 0
            for index, name in enumerate(names):
                stop = start + size + (1 if index < extra else 0)
                shares[name].update(partitions[start:stop])
                start = stop
        return {name: frozenset(share) for name, share in shares.items()}
