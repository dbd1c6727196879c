"""Records packed into batches, one partition each, as KafkaWriter.append sends them.

In come ports.Outgoing in their order, out come aiokafka's batch builders and what was refused. One
batch is acknowledged as a whole: a future per batch instead of one per record, whose offsets count
on from the batch's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiokafka.producer.message_accumulator import BatchBuilder

from comitia.errors import ComitiaError, Poison, Retryable
from comitia.ports import Ack, Outgoing
from comitia.runtime.kafka_limits import Limits

Result = Ack | ComitiaError


@dataclass(slots=True, eq=False)
class Batch:
    """`positions[i]`: which of the given records stands at the batch's offset i."""

    topic: str
    partition: int
    builder: BatchBuilder
    positions: list[int]

    def spread(self, result: Ack | BaseException, results: list[Result | None]) -> None:
        """Give each of its records what became of the batch."""
        if isinstance(result, Ack):
            offset, timestamp_ms = result.offset, result.timestamp_ms
            for index, position in enumerate(self.positions, offset):
                results[position] = Ack(self.topic, self.partition, index, timestamp_ms)
        elif isinstance(result, ComitiaError):
            if isinstance(result, Poison) and result.reason == "TOO_LARGE" and self.positions[1:]:
                # Said of them together, each fits: the topic takes less than it did.
                result = Retryable(f"{result}; to be sent again in smaller batches")
            for position in self.positions:
                results[position] = result
        else:
            raise result


async def pack(
    records: Sequence[Outgoing],
    limits: Limits,
    new: Callable[[int], BatchBuilder],
    results: list[Result | None],
) -> list[Batch]:
    """Batches in the order to send them in: every partition's first one, every second one, ...

    A refused record has its error in `results`. Where the broker is away nothing that follows is
    tried: each would wait for the same time-out, and would be appended before its elders.
    """
    rounds: list[list[Batch]] = []
    latest: dict[tuple[str, int], tuple[int, Batch]] = {}
    learned = ""
    for position, record in enumerate(records):
        try:
            if record.topic != learned:
                await limits.learn(record.topic)
                learned = record.topic
            partition = limits.place(record)
        except Retryable as away:
            results[position:] = [away] * (len(records) - position)
            break
        except ComitiaError as refused:
            results[position] = refused
            continue
        where = (record.topic, partition)
        number, batch = latest.get(where, (-1, None))
        if batch is None or not _add(batch, record):
            builder = new(limits.batch_bytes(record.topic))
            number, batch = number + 1, Batch(*where, builder, [])
            _add(batch, record)
            latest[where] = (number, batch)
            if number == len(rounds):
                rounds.append([])
            rounds[number].append(batch)
        batch.positions.append(position)
    return [batch for each in rounds for batch in each]


def _add(batch: Batch, record: Outgoing) -> bool:
    """False when the batch is full; an empty one takes a record of any size."""
    added = batch.builder.append(
        timestamp=None, key=record.key, value=record.value, headers=list(record.headers)
    )
    return added is not None
