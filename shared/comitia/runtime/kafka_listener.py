"""What a consumer hears of its group: partitions given and taken, and that the group dropped it.

In come aiokafka's callbacks, out go the hooks of a ReaderSpec, called without awaiting. aiokafka
0.14.0 only logs what a hook raises, and a static member that was dropped joins again at once, under
a name that somebody else may have by now: both are kept here for the reader to raise.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from aiokafka import TopicPartition as KafkaPartition
from aiokafka.abc import ConsumerRebalanceListener

from comitia.errors import Superseded
from comitia.ports import OnPartitions, Partitions, ReaderSpec, TopicPartition

_LOG = logging.getLogger("comitia.reading")


def ours(partitions: Iterable[KafkaPartition]) -> Partitions:
    """aiokafka's partitions as ports.TopicPartition."""
    return frozenset(TopicPartition(tp.topic, tp.partition) for tp in partitions)


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes aiokafka's callbacks on, without awaiting, and keeps what a hook raised.

    `member` tells the id under which the group knows the consumer; "" when it does not any more.
    `joined`: the present consumer has been a member.
    """

    def __init__(self, spec: ReaderSpec, member: Callable[[], str]) -> None:
        self.spec = spec
        self.error: Exception | None = None
        self.superseded: Superseded | None = None
        self._member = member
        self._held: Partitions = frozenset()
        self.joined = False

    def on_partitions_revoked(self, revoked: Iterable[KafkaPartition]) -> None:
        if self.lost(revoked):
            # Ends aiokafka's coordination, which would go on to join again and put out whoever has
            # the name by now.
            raise asyncio.CancelledError

    def lost(self, revoked: Iterable[KafkaPartition]) -> bool:
        """Say which partitions are gone; whether the member itself is, which the next fetch
        raises.
        """
        partitions = ours(revoked)
        # aiokafka also revokes nothing, before the first join.
        if partitions:
            self._call(self.spec.on_revoked, partitions)
        if not self.joined or self.spec.instance_id is None or self._member():
            return False
        self.superseded = Superseded(
            f"group {self.spec.group} has dropped this process, {self.spec.instance_id}: it"
            " stood still for longer than its session (COMITIA_SESSION_TIMEOUT_MS), or another"
            " process has the same COMITIA_INSTANCE_ID; it ends, and may be started again"
        )
        return True

    def on_partitions_assigned(self, assigned: Iterable[KafkaPartition]) -> None:
        self.joined = True
        partitions = ours(assigned)
        self._tell(partitions)
        self._call(self.spec.on_assigned, partitions)

    def _tell(self, partitions: Partitions) -> None:
        """One line for a rebalance: what this member has now, and what that changes."""
        given, taken = len(partitions - self._held), len(self._held - partitions)
        self._held = partitions
        _LOG.info(
            "group %s: %d partitions, %d given, %d taken away",
            *(self.spec.group, len(partitions), given, taken),
            extra={
                "event": "rebalance",
                "group": self.spec.group,
                "partitions": sorted(f"{tp.topic}-{tp.partition}" for tp in partitions),
                "given": given,
                "taken": taken,
            },
        )

    def _call(self, hook: OnPartitions | None, partitions: Partitions) -> None:
        if hook is None:
            return
        try:
            hook(partitions)
        except Exception as error:  # noqa: BLE001 - aiokafka would log it and go on: fetch raises it
            self.error = error
