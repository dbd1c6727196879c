"""One flush of an owner: a batch of effects delivered, and what was refused for good dealt with.

In come effects that became due in one partition; when it returns, all are acknowledged, or kept in
the dead letters with something in their place that lets the task end. A transaction, where there
is one, goes around a flush.
"""

import logging
from collections.abc import Sequence

from google.protobuf.message import DecodeError

from comitia.effects import DeadLetter, Effect, Publish
from comitia.ports import Record, TopicPartition
from comitia.runtime import dead_letters
from comitia.runtime.context import Runtime
from comitia.runtime.delivery import Delivery, Job
from comitia.runtime.partition_state import Pending
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent

_LOG = logging.getLogger("comitia.owner")


async def flush(
    runtime: Runtime, delivery: Delivery, tp: TopicPartition, batch: Sequence[Pending]
) -> None:
    """Deliver `batch`; afterwards each job's `acks` tell where its records stand.

    Passing faults are tried again until it is cancelled; Fenced when only a new writer can go on.
    """
    await delivery.deliver([p.job for p in batch if p.job.failed is None])
    for pending in batch:
        if pending.job.failed is not None:
            original = pending.job.record or _at(tp, pending.offset)
            await _give_up(runtime, delivery, pending.job, original)


async def _give_up(runtime: Runtime, delivery: Delivery, job: Job, original: Record) -> None:
    """Keep what was refused for good; its task ends in a decision all the same.

    A decision that is too large is kept itself, and a small one, FAILED, takes its place. For
    anything else the task fails in its own log, which the fold then meets like any event.
    """
    why, number = job.failed, original.partition
    if why is None:
        raise ValueError("this job did not fail")
    task_id = job.task_id or dead_letters.readable_task_id(original)
    _LOG.warning(
        "%s[%d] offset %d to the dead letters: %s: %s",
        *(original.topic, number, original.offset, why.reason, why),
    )
    decision = _refused_decision(job)
    if decision is not None:
        sent = delivery.encode(decision, job.trace)
        original = Record(sent.topic, number, -1, -1, sent.key, sent.value, sent.headers)
    ack = await delivery.keep(job, original, DeadLetter(why.reason, str(why), task_id))
    kept = dead_letters.ref(ack)
    effects: Sequence[Effect] = ()
    if decision is not None and isinstance(decision.message, Decision):
        failed = dead_letters.failed_decision(decision.message, why, kept)
        effects = (Publish(decision.topic, decision.key, failed, decision.partition),)
    elif task_id and not _is_failure(original):
        effects = dead_letters.task_failed(runtime.names, number)(task_id, why, kept)
    follow = Job(effects, trace=job.trace)
    await delivery.deliver((follow,))
    job.acks += follow.acks


def _refused_decision(job: Job) -> Publish | None:
    """The job's decision, when that is what could not be published."""
    acknowledged = [effect for effect, _ in job.acks]
    for effect in job.effects:
        if type(effect) is Publish and type(effect.message) is Decision:
            return None if effect in acknowledged else effect
    return None


def _is_failure(record: Record) -> bool:
    """Whether it is a TaskFailed itself, which must not be answered by another one."""
    try:
        event = PanelEvent.FromString(record.value or b"")
    except DecodeError:
        return False
    return bool(event.WhichOneof("event") == "task_failed")


def _at(tp: TopicPartition, offset: int) -> Record:
    """Where the event stands whose effects failed; its bytes are still in the log."""
    return Record(tp.topic, tp.partition, offset, -1, None, None)
