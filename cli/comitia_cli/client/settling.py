"""A person's word on a task that is left to one: checked, sent, and what became of it.

In: the decisions of a task, a text that a person wrote, the log. Out: a Verdict that names the
decision and the revision it settles, then the revision that it made or the reason why it made none.
What the aggregator would refuse is refused here, with what to write instead.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from comitia.config import AggregatorSettings
from comitia.errors import ConfigError
from comitia.methods import VALUE_KINDS
from comitia.ports import TopicSpec
from comitia.runtime.codec import unframed
from comitia.v1.command_pb2 import Command
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.value_pb2 import Value
from comitia.v1.verdict_pb2 import Verdict
from comitia_aggregator.conflict import BECAUSE_BYTES_MAX, BY_BYTES_MAX, REFUSED
from comitia_aggregator.values import key_of, options_of
from comitia_cli.client.decisions import Found
from comitia_cli.client.records import Feed, decode, partitions_of
from comitia_cli.client.sending import publish_one
from comitia_cli.client.values import same, value_of
from comitia_cli.shell import Session
from comitia_cli.show.words import clip, value_text

VALUE_BYTES_MAX = int(AggregatorSettings.model_fields["answer_bytes_max"].default)
OPTIONS_SHOWN_MAX = 12


@dataclass(frozen=True)
class Word:
    """What a person says. `revision`: which one they have read; None: the newest."""

    value: str
    because: str
    by: str
    revision: int | None = None


@dataclass(frozen=True)
class Outcome:
    """`revision`: the decision after the one that was settled, whoever made it; None where none
    came in time. `refused`: why the verdict counts for nothing.
    """

    revision: Decision | None
    refused: str = ""


def verdict_on(found: Sequence[Found], word: Word, now_ms: int) -> Verdict:
    """The Verdict on a task's newest decision. `found`: its decisions by revision, one at least;
    `now_ms`: epoch milliseconds. ConfigError says why there can be none.
    """
    newest = found[-1].decision
    if newest.status != DecisionStatus.DECISION_STATUS_ESCALATED:
        raise ConfigError(_not_waiting(newest))
    if word.revision not in (None, newest.revision):
        raise ConfigError(
            f"--revision: {word.revision} does not wait for anybody, revision {newest.revision}"
            " does: read it with `comitia explain`, then name that"
        )
    if now_ms > newest.escalation.expires_ms:
        raise ConfigError("its time is over: the revision that its policy names is under way")
    for name, text, bytes_max in (
        ("--because", word.because, BECAUSE_BYTES_MAX),
        ("--by", word.by, BY_BYTES_MAX),
    ):
        if not text.strip():
            raise ConfigError(f"{name}: it is empty")
        if len(text.encode()) > bytes_max:
            raise ConfigError(f"{name}: it has {len(text.encode())} bytes; at most {bytes_max}")
    place = found[-1].record
    key = (place.key or b"").decode(errors="replace")
    return Verdict(
        task_id=newest.task_id,
        root_id=key if key != newest.task_id else "",
        revision=newest.revision,
        decision_offset=place.offset,
        value=read_value(word.value, newest.escalation.format),
        because=word.because,
        by=word.by,
    )


def read_value(text: str, answer_format: AnswerFormat) -> Value:
    """A value as the task asks for it. ConfigError says what to write instead."""
    kind = VALUE_KINDS[answer_format.WhichOneof("kind") or "text"]
    try:
        value = value_of(kind, text)
        key_of(value, answer_format)
    except ValueError as error:
        why = str(error)
        instead = how_to_write(answer_format)
        raise ConfigError(f"--value: {why}" + (f"; {instead}" if instead else "")) from error
    if value.ByteSize() > VALUE_BYTES_MAX:
        raise ConfigError(f"--value: it has {value.ByteSize()} bytes; at most {VALUE_BYTES_MAX}")
    return value


def how_to_write(answer_format: AnswerFormat) -> str:
    """What a value of this format looks like."""
    names = [option.id for option in options_of(answer_format)]
    shown = ", ".join(names[:OPTIONS_SHOWN_MAX]) + (", ..." if names[OPTIONS_SHOWN_MAX:] else "")
    kind = answer_format.WhichOneof("kind") or "text"
    if kind == "choice":
        return f"write one of {shown}"
    if kind == "ranking":
        return f'write all of {shown}, the best first, as "a > b = c"'
    if kind == "json":
        return f"write a JSON document for the schema {clip(answer_format.json.schema, 200)}"
    if kind == "text":
        return "write a text"
    bounds = answer_format.number
    least = f" from {bounds.min:.12g}" if bounds.HasField("min") else ""
    most = f" up to {bounds.max:.12g}" if bounds.HasField("max") else ""
    return f"write a number{least}{most}" + (f" ({bounds.unit})" if bounds.unit else "")


def is_said_already(found: Sequence[Found], word: Word) -> bool:
    """Whether the newest revision is what just this word has made: it was sent before."""
    newest = found[-1].decision
    said = newest.settlement
    if (said.by, said.because) != (word.by, word.because) or said.expired:
        return False
    former = [one.decision for one in found if one.decision.HasField("escalation")]
    if not former or not newest.HasField("value"):
        return False
    return same(newest.value, read_value(word.value, former[-1].escalation.format))


async def settle(session: Session, said: Verdict, timeout_ms: int) -> Outcome:
    """Send a verdict, and wait until the next revision or its dead letter is in the log."""
    topics = await _watched(session)
    feed = await Feed.open(session.log, partitions_of(topics))
    try:
        await publish_one(session, "commands", said.task_id, Command(verdict=said))
        return await asyncio.wait_for(_follow(feed, topics[0].name, said), timeout_ms / 1000)
    except TimeoutError:
        return Outcome(None)
    finally:
        await feed.close()


async def _watched(session: Session) -> list[TopicSpec]:
    topics = [await session.topic("decisions")]
    try:
        return [*topics, await session.topic("dead-letters")]
    except ConfigError:
        # Settling needs no right to read them: who has none hears of a refusal by no revision.
        return topics


async def _follow(feed: Feed, decisions: str, said: Verdict) -> Outcome:
    while True:
        for record in await feed.next():
            if record.topic == decisions:
                decision = decode(Decision, record)
                after = decision.revision == said.revision + 1
                if after and decision.task_id == said.task_id:
                    return Outcome(decision)
            else:
                letter = decode(DeadLetter, record)
                if letter.reason == REFUSED and _speaks_of(letter, said):
                    return Outcome(None, letter.error)


def _speaks_of(letter: DeadLetter, said: Verdict) -> bool:
    """Another's verdict on the same task may be refused at the same time."""
    if letter.task_id != said.task_id:
        return False
    return PanelEvent.FromString(unframed(letter.value)).verdict == said


def _not_waiting(newest: Decision) -> str:
    if not newest.HasField("settlement"):
        ended = DecisionStatus.Name(newest.status).removeprefix("DECISION_STATUS_")
        return (
            f"task {newest.task_id} ended {ended} and is not left to a person: only what `comitia "
            "conflicts` lists can be settled; say what was right with `comitia feedback`"
        )
    return f"task {newest.task_id} does not wait any more: {settled_words(newest)}"


def settled_words(revision: Decision) -> str:
    """Who settled it, as what and why, or what it became when nobody did."""
    said, number = revision.settlement, revision.revision
    value = clip(value_text(revision.value)) if revision.HasField("value") else "no value"
    if said.expired:
        return f"nobody settled it in time, and its policy ended it with {value}"
    because = f" because “{clip(said.because, 160)}”" if said.because else ""
    return f"{said.by or 'somebody'} settled it as {value}{because} (revision {number})"
