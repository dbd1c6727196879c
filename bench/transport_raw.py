"""The peer of bench.transport: the same pipeline written by hand on raw aiokafka, without Comitia's
runtime.

`python -m bench.transport_raw router|aggregator|AGENT` with COMITIA_BOOTSTRAP and COMITIA_PREFIX.
A router, three agents and an aggregator, one process each, with Comitia's hops, messages, headers
and acknowledgements: a panel's opening is published after its assignments are acknowledged. It
keeps no deadline, no dead letter, no trace, no low-water mark and no state over a restart: what is
left is the least that this walk can cost.
"""

import asyncio
import gc
import hashlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import uvloop
from aiokafka.structs import ConsumerRecord

from bench.common import NOOP
from bench.raw_pipe import Handler, Out, Pipe, decoded
from comitia.runtime.partitioner import partition_of
from comitia.topics import Names
from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, DELIVERY_AT_LEAST_ONCE, Decision
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened
from comitia.v1.policy_pb2 import METHOD_PLURALITY
from comitia.v1.task_pb2 import Task

PARTITIONS = 4


class Router:
    """Task -> three assignments, then the panel's opening."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._replies = names.topic("panel-events")
        self._inboxes = [names.inbox(agent) for agent in NOOP]
        self._nonce, self._panels = os.urandom(6).hex(), 0

    def __call__(self, records: Sequence[ConsumerRecord]) -> Sequence[Sequence[Out]]:
        assignments: list[Out] = []
        openings: list[Out] = []
        for record, task in zip(records, decoded(Task, records), strict=True):
            partition = partition_of(task.id, PARTITIONS)
            self._panels += 1
            panel_id = f"{task.id}@{self._nonce}-{self._panels}"
            event = opened(task, panel_id, record.timestamp)
            panel = event.panel_opened
            for number, agent in enumerate(NOOP):
                assignment = Assignment(
                    id=panel.assignments[number].id,
                    panel_id=panel.panel_id,
                    seat=number,
                    round=1,
                    role="solver",
                    task=task,
                    deadline_ms=panel.deadline_ms,
                    reply_topic=self._replies,
                    reply_partition=partition,
                    agent=agent,
                )
                assignments.append((self._inboxes[number], task.id, assignment, partition))
            openings.append((self._replies, task.id, event, partition))
        return assignments, openings


def opened(task: Task, panel_id: str, append_ms: int) -> PanelEvent:
    """The opening of a panel of all three. `append_ms`: of the task, broker's clock."""
    event = PanelEvent(task_id=task.id)
    panel = event.panel_opened
    panel.panel_id = panel_id
    panel.task.CopyFrom(task)
    panel.deadline_ms = append_ms + task.timeout_ms
    panel.task_appended_ms = append_ms
    for number, agent in enumerate(NOOP):
        panel.seats.add(
            seat=number,
            agent=agent,
            agent_version=1,
            role="solver",
            reason='has the skill "noop"; all 3 candidates sit',
            probability=1.0,
        )
        panel.assignments.add(id=f"{panel_id}.{number}.0.1", seat=number, round=1)
    return event


def answer(records: Sequence[ConsumerRecord]) -> Sequence[Sequence[Out]]:
    """Assignment -> the first option."""
    answers: list[Out] = []
    for assignment in decoded(Assignment, records):
        event = PanelEvent(task_id=assignment.task.id)
        said = event.answer
        said.assignment_id = assignment.id
        said.agent = assignment.agent
        said.value.option_id = assignment.task.format.choice.options[0].id
        said.deadline_ms = assignment.deadline_ms
        where = (assignment.reply_topic, assignment.task.id)
        answers.append((*where, event, assignment.reply_partition))
    return (answers,)


@dataclass(slots=True)
class Open:
    """A task that waits: its panel once it came, and the first answer of each assignment."""

    panel: PanelOpened | None = None
    answers: dict[str, Answer] = field(default_factory=dict)


class Aggregator:
    """Panel events -> a decision by plurality, when all three have answered."""

    def __init__(self, names: Names) -> None:
        self._decisions = names.topic("decisions")
        self._open: dict[str, Open] = {}

    def __call__(self, records: Sequence[ConsumerRecord]) -> Sequence[Sequence[Out]]:
        decided: list[Out] = []
        for record, event in zip(records, decoded(PanelEvent, records), strict=True):
            task = self._open.get(event.task_id)
            if task is None:
                task = self._open[event.task_id] = Open()
            if event.WhichOneof("event") == "panel_opened":
                task.panel = event.panel_opened
            else:
                task.answers.setdefault(event.answer.assignment_id, event.answer)
            panel = task.panel
            if panel is None or len(task.answers) < len(panel.assignments):
                continue
            del self._open[event.task_id]
            made = decide(event.task_id, panel, task.answers, record.timestamp)
            decided.append((self._decisions, event.task_id, made, record.partition))
        return (decided,)


def decide(task_id: str, panel: PanelOpened, answers: dict[str, Answer], at_ms: int) -> Decision:
    votes: dict[str, list[str]] = {}
    decision = Decision(
        task_id=task_id,
        panel_id=panel.panel_id,
        status=DECISION_STATUS_DECIDED,
        method=METHOD_PLURALITY,
        delivery=DELIVERY_AT_LEAST_ONCE,
        skill=panel.task.skill,
        task_digest=hashlib.blake2b(panel.task.SerializeToString(), digest_size=16).digest(),
    )
    for seat, listed in zip(panel.seats, panel.assignments, strict=True):
        said = answers[listed.id]
        ballot = decision.ballots.add(
            seat=listed.seat, agent=seat.agent, round=1, assignment_id=listed.id, weight=1.0
        )
        ballot.value.CopyFrom(said.value)
        votes.setdefault(said.value.option_id, []).append(seat.agent)
    ordered = sorted(votes, key=lambda option: (-len(votes[option]), option))
    second = len(votes[ordered[1]]) if len(ordered) > 1 else 0
    cast, lead = len(panel.seats), len(votes[ordered[0]])
    decision.value.option_id = ordered[0]
    decision.margin = (lead - second) / cast
    decision.explanation = (
        f'"{ordered[0]}" leads by plurality, {lead} of {cast} ballots (margin'
        f" {decision.margin:.2f}). "
    ) + " ".join(f'For "{option}": {", ".join(votes[option])}.' for option in ordered)
    decision.cost.elapsed_ms = max(0, at_ms - panel.task_appended_ms)
    decision.cost.assignments = cast
    return decision


async def serve(role: str) -> None:
    bootstrap, names = os.environ["COMITIA_BOOTSTRAP"], Names(os.environ["COMITIA_PREFIX"])
    handlers: dict[str, tuple[str, Handler]] = {
        "router": (names.topic("tasks"), Router(names)),
        "aggregator": (names.topic("panel-events"), Aggregator(names)),
    }
    topic, handle = handlers.get(role) or (names.inbox(role), answer)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    pipe = Pipe(bootstrap, topic, f"{names.prefix}raw.{role}")
    # As Comitia's services do: the collector finds nothing here that reference counts leave.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    await pipe.run(handle, stop)


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1]))


if __name__ == "__main__":
    main()
