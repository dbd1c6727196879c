"""Putting dead letters back, and setting them aside for good.

In: letters. Out: their originals in the topics where they stood, byte for byte with key and
headers, and a mark behind each letter. What would lead nowhere is refused with a sentence: an
original that is not whole, an assignment past its deadline, a task that is decided already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from comitia.errors import Poison
from comitia.ports import Ack, Outgoing, TopicPartition, Writer
from comitia.runtime.codec import Codec, unframed
from comitia.runtime.dead_letters import CUT, REPLAYED, mark
from comitia.runtime.partitioner import partition_of
from comitia.topics import Names
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_cli.client.letters import Letter, Place
from comitia_cli.client.records import decode, scan
from comitia_cli.shell import Session

# What users and agents write, and the log of a task; the rest has one writer, which is no person.
REPLAYED_ENTITIES = ("tasks", "commands", "feedback", "agents", "panel-events")
NOT_REPLAYABLE = "NOT_REPLAYABLE"
ID_CHARACTERS_MAX = 128
STATUSES = {number: name for name, number in DecisionStatus.items()}


@dataclass(frozen=True)
class Original:
    """What a letter holds, as far as replaying looks at it. `task_id`: of the task that it would
    bring back, with `root_id` for its partition; "" where no decision stands in the way.
    """

    outgoing: Outgoing
    task_id: str = ""
    root_id: str = ""
    deadline_ms: int | None = None
    is_task: bool = False


def original_of(names: Names, found: Letter) -> Original:
    """Poison (NOT_REPLAYABLE) when there is nothing that could be put back."""
    letter, place = found.letter, f"{found.letter.topic}-{found.letter.partition}"
    if found.done:
        raise _refused(f"it was {found.done.lower()} already")
    inbox = letter.topic.startswith(f"{names.prefix}comitia.inbox.")
    if not inbox and letter.topic not in map(names.topic, REPLAYED_ENTITIES):
        raise _refused(
            f"it came from {letter.topic}, which nobody but a service writes: discard it"
        )
    cut = dict(found.record.headers).get(CUT)
    if cut is not None:
        raise _refused(
            f"it does not hold the whole original (of {cut.decode(errors='replace')} bytes): "
            "publish that anew from where it came"
        )
    if not letter.HasField("value"):
        raise _refused(f"it holds no value; the record was at {place}, offset {letter.offset}")
    events = letter.topic == names.topic("panel-events")
    outgoing = Outgoing(
        letter.topic,
        letter.value,
        letter.key if letter.HasField("key") else None,
        tuple((header.key, header.value) for header in letter.headers),
        # A task's log is one partition; everything else finds its own.
        letter.partition if events else None,
    )
    try:
        payload = unframed(letter.value)
        if letter.topic == names.topic("tasks"):
            task = Task.FromString(payload)
            return Original(outgoing, task.id, task.root_id, is_task=True)
        if inbox:
            work = Assignment.FromString(payload)
            return Original(outgoing, work.task.id, work.task.root_id, work.deadline_ms)
        if events:
            event = PanelEvent.FromString(payload)
            root_id = (letter.key or b"").decode(errors="replace")
            return Original(outgoing, event.task_id, root_id)
    except (DecodeError, ValueError):
        # Perhaps a newer service can read it; it says so if it cannot.
        return Original(outgoing, letter.task_id)
    return Original(outgoing)


async def decided(session: Session, originals: Sequence[Original]) -> Mapping[str, str]:
    """Those of these tasks that have a decision, and how they ended."""
    topic = await session.topic("decisions")
    wanted = {one.task_id for one in originals if one.task_id}
    partitions = frozenset(
        TopicPartition(topic.name, partition_of(one.root_id or one.task_id, topic.partitions))
        for one in originals
        if one.task_id
    )
    ended: dict[str, str] = {}
    if partitions:
        async for record in scan(session.log, partitions):
            decision = decode(Decision, record)
            if decision.task_id in wanted:
                name = STATUSES.get(decision.status, str(decision.status))
                ended[decision.task_id] = name.removeprefix("DECISION_STATUS_")
    return ended


def check(original: Original, ended: Mapping[str, str], now_ms: int) -> None:
    """Poison (NOT_REPLAYABLE) when putting it back would lead to nothing."""
    if original.deadline_ms is not None and original.deadline_ms <= now_ms:
        late_s = (now_ms - original.deadline_ms) / 1000
        raise _refused(f"its deadline passed {late_s:.0f} s ago: nobody would work on it")
    status = ended.get(original.task_id)
    if status is not None:
        again = "ask it again under another id with --new-id" if original.is_task else "discard it"
        raise _refused(
            f"task {original.task_id} ended {status}, and a task is decided once: {again}"
        )


def under_new_id(original: Original, place: Place) -> Original:
    """The same task under an id of its own, made of the old one and where the letter stands."""
    if not original.is_task:
        raise _refused("only a task that can be read can be asked again under a new id")
    task = Task.FromString(unframed(original.outgoing.value or b""))
    end = f".again-{place[0]}-{place[1]}"
    task.id = task.id[: ID_CHARACTERS_MAX - len(end)] + end
    sent = original.outgoing
    outgoing = Outgoing(sent.topic, task.SerializeToString(), task.id.encode(), sent.headers)
    return Original(outgoing, task.id, task.root_id, is_task=True)


async def replay(writer: Writer, letter: Letter, original: Original, codec: Codec) -> Ack:
    """Append the original, then the mark. A break in between leaves the letter open: replayed once
    more, the same task is folded away.
    """
    ack = await (await writer.send(original.outgoing))
    await resolve(writer, letter, REPLAYED, codec)
    return ack


async def resolve(writer: Writer, letter: Letter, reason: str, codec: Codec) -> None:
    """Mark a letter: REPLAYED or DISCARDED."""
    await (await writer.send(mark(letter.record, reason, "cli", codec)))


def _refused(why: str) -> Poison:
    return Poison(why, NOT_REPLAYABLE)
