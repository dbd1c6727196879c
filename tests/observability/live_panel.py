"""A panel that lives through everything that a metric counts: real services, agents that dissent,
abstain, answer too late or never, records that cannot be read, feedback, restarts, lost records.

In: a broker and a Prometheus that scrapes the services. Out: nothing but what they measured.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from comitia.ports import Outgoing, ReaderSpec
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import DECISION_STATUS_REJECTED, DecisionStatus
from comitia.v1.format_pb2 import AnswerFormat, ChoiceFormat, Option, TextFormat
from comitia.v1.input_pb2 import Input
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.policy_pb2 import Policy, Selection
from comitia.v1.task_pb2 import Task
from tests.conftest import free_ports
from tests.integration.panel_support import ROOT, Client, Processes
from tests.observability.live_judge import Judge, remove
from tests.observability.prometheus_server import Prometheus

REAL = ("critic", "one-word", "reporter")
# Scripted: name -> skills. "absent" never answers, "slow" when it is too late, "shade" is a shadow.
SCRIPTED = {
    "sceptic": ["sentiment", "tie", "haste"], "grouch": ["haste"], "optimist": ["tie"],
    "mute": ["sentiment"], "slow": ["patience"], "absent": ["silence", "haste"], "shade": ["tie"],
}  # fmt: skip
# What they answer; None: an abstention.
SAYS = {
    "sceptic": "negative", "grouch": "negative", "optimist": "positive", "mute": None,
    "slow": "positive", "shade": "positive",
}  # fmt: skip
CHOICE = AnswerFormat(choice=ChoiceFormat(options=[Option(id="positive"), Option(id="negative")]))
HOUR_MS, SHORT_MS = 3_600_000, 1_500
FETCH_MS = 200


class Ports:
    """Of the HTTP servers."""

    def __init__(self) -> None:
        first = free_ports(7)
        self.router, self.agent, self.moody, self.prometheus = range(first, first + 4)
        self.aggregators = (first + 4, first + 5)
        self.learner = first + 6

    def targets(self) -> dict[str, list[str]]:
        jobs: dict[str, Sequence[int]] = {
            "comitia-router": (self.router,),
            "comitia-aggregator": self.aggregators,
            "comitia-learner": (self.learner,),
            "comitia-agent": (self.agent, self.moody),
        }
        return {job: [f"127.0.0.1:{port}" for port in ports] for job, ports in jobs.items()}


class Panel:
    """The processes, and a user's and the scripted agents' hands."""

    def __init__(self, processes: Processes, ports: Ports, prometheus: Prometheus) -> None:
        self._processes = processes
        self._names = processes.names
        self._ports = ports
        self._prometheus = prometheus
        self._judge = Judge(processes, prometheus, ports.learner)

    def start(self) -> None:
        cards = os.pathsep.join(str(ROOT / "agents" / f"{name}.yaml") for name in REAL)
        start, ports = self._processes.service, self._ports
        start("router", COMITIA_HTTP_PORT=str(ports.router))
        start("agent", COMITIA_AGENT_CARDS=cards, COMITIA_HTTP_PORT=str(ports.agent))
        self._aggregator(0)
        self._judge.start()
        moody = [sys.executable, "-m", "tests.observability.moody_agent"]
        self._processes.start("moody", moody, COMITIA_HTTP_PORT=str(ports.moody))

    async def live(self) -> None:
        """From the first task to the restart, then once more, so that rates have begun."""
        self._client = await Client.open(self._processes)
        scripted = asyncio.create_task(self._answer())
        try:
            await self._publish_cards()
            await self._client.alive(*REAL)
            await self._client.decided_by(_review, *REAL, "sceptic", "mute")
            await self._endings("first")
            await self._unusual_records("first")
            await self._judge.judge(self._client.log, "first-review", "positive")
            await self._judge.lose(self._client.log, "first-review", "negative")
            await self._second_aggregator()
            await self._late_answer_and_lost_records()
            await self._endings("again")
            await self._unusual_records("again")
            await self._judge.judge(self._client.log, "again-review", "positive")
        finally:
            scripted.cancel()
            await asyncio.gather(scripted, return_exceptions=True)
            await self._client.close()

    async def _endings(self, prefix: str) -> None:
        expected = {
            "DECIDED": _review(f"{prefix}-review"),
            "DECIDED at the second time": _task(f"{prefix}-moody", "moody"),
            "DECIDED before all have answered": _hasty(f"{prefix}-haste"),
            "NO_QUORUM": _task(f"{prefix}-tie", "tie"),
            "EXPIRED": _task(f"{prefix}-silence", "silence", SHORT_MS),
            "ESCALATED": _left_to_a_person(f"{prefix}-conflict"),
            "NO_AGENT": _task(f"{prefix}-alchemy", "alchemy"),
            "REJECTED": _task(f"{prefix}-no-time", "tie", 0),
        }
        for status, task in expected.items():
            decision = await self._client.decide(task)
            ended = DecisionStatus.Name(decision.status).removeprefix("DECISION_STATUS_")
            assert status.startswith(ended), f"{task.id}: {ended}"
        # Nobody settles the conflict, and it expires.
        await self._prometheus.meet('comitia_revisions_total{comitia_outcome="expired"}')
        prose = _task(f"{prefix}-prose", "answer")
        prose.format.CopyFrom(AnswerFormat(text=TextFormat(tokens_max=12)))
        prose.input.text = "What do bees make?"
        await self._client.decide(prose)

    async def _unusual_records(self, prefix: str) -> None:
        """A task that cannot be read, an assignment past its deadline, and an event of a task from
        before what is remembered.
        """
        now_ms = time.time_ns() // 1_000_000
        stale = Assignment(
            id=f"{prefix}-stale", agent="critic", task=_task(f"{prefix}-stale", "sentiment")
        )
        stale.deadline_ms = now_ms - SHORT_MS
        stale.reply_topic = self._names.topic("panel-events")
        old = PanelEvent(task_id=f"{prefix}-old")
        old.task_refused.status = DECISION_STATUS_REJECTED
        old.task_refused.task_appended_ms = now_ms - 2 * HOUR_MS
        topic = self._names.topic
        await self._say(topic("tasks"), b"\xff\xff", "unreadable")
        await self._say(self._names.inbox("critic"), stale.SerializeToString(), stale.task.id)
        await self._say(topic("panel-events"), old.SerializeToString(), old.task_id)
        for metric in ("dead_letters", "assignments_dropped", "lookups"):
            await self._prometheus.meet(f"comitia_{metric}_total")

    async def _second_aggregator(self) -> None:
        """Joins, so that the first gets its partitions anew."""
        self._aggregator(1)
        await self._prometheus.meet("comitia_rebalances_total")

    async def _late_answer_and_lost_records(self) -> None:
        """While both aggregators are away an answer comes after its deadline, and decisions that a
        take-over reads are removed.
        """
        task = _task("late", "patience", SHORT_MS)
        await self._client.publish(task)
        async with asyncio.timeout(60):
            await self._held.wait()
        for number in (0, 1):
            self._processes.end(f"aggregator-{number}")
        assignment = self._assignment
        passed_ms = time.time_ns() // 1_000_000 - assignment.deadline_ms
        await asyncio.sleep(max(0, 1 - passed_ms) / 1_000)
        await self._reply(assignment)
        topic = self._names.topic("decisions")
        await remove(self._client.log, self._processes.bootstrap, topic)
        for number in (0, 1):
            self._aggregator(number)
        await self._prometheus.meet('comitia_seats_total{comitia_outcome="late"}')
        await self._prometheus.meet("comitia_records_lost_total")

    async def _publish_cards(self) -> None:
        for name, skills in SCRIPTED.items():
            card = AgentCard(
                name=name, version=1, skills=skills, no_heartbeat=True, shadow=name == "shade"
            )
            await self._say(self._names.topic("agents"), card.SerializeToString(), f"{name}@1@x")

    async def _answer(self) -> None:
        """The scripted agents: answer at once, but for "slow" and "absent"."""
        self._held = asyncio.Event()
        inboxes = {self._names.inbox(name) for name in SCRIPTED}
        await self._client.log.create([self._names.inbox_spec(name) for name in SCRIPTED])
        reader = await self._client.log.reader(ReaderSpec(topics=tuple(inboxes)))
        try:
            while True:
                for record in await reader.fetch(100, FETCH_MS):
                    assignment = Assignment.FromString(record.value or b"")
                    if assignment.agent == "slow":
                        self._assignment = assignment
                        self._held.set()
                    elif assignment.agent in SAYS:
                        await self._reply(assignment)
        finally:
            await reader.close()

    async def _reply(self, assignment: Assignment) -> None:
        event = PanelEvent(task_id=assignment.task.id)
        event.answer.assignment_id = assignment.id
        event.answer.agent = assignment.agent
        event.answer.deadline_ms = assignment.deadline_ms
        said = SAYS[assignment.agent]
        if said is None:
            event.answer.abstention.detail = "It says nothing."
        else:
            event.answer.value.option_id = said
        await self._say(assignment.reply_topic, event.SerializeToString(), assignment.task.id)

    async def _say(self, topic: str, value: bytes, key: str) -> None:
        writer = await self._client.log.writer()
        await (await writer.send(Outgoing(topic, value, key.encode())))
        await writer.close()

    def _aggregator(self, number: int) -> None:
        """A static member."""
        name, port = f"aggregator-{number}", self._ports.aggregators[number]
        self._processes.start(
            name, _command("aggregator"), COMITIA_INSTANCE_ID=name, COMITIA_HTTP_PORT=str(port)
        )


def _command(service: str) -> list[str]:
    return [str(Path(sys.executable).parent / f"comitia-{service}")]


def _task(task_id: str, skill: str, timeout_ms: int = 60_000) -> Task:
    return Task(
        id=task_id, skill=skill, input=Input(text="A warm, funny, wonderful film."),
        format=CHOICE, timeout_ms=timeout_ms,
        policy=Policy(selection=Selection.SELECTION_BROADCAST, wait_for_all=True),
    )  # fmt: skip


def _review(task_id: str) -> Task:
    return _task(task_id, "sentiment")


def _left_to_a_person(task_id: str) -> Task:
    """As even as "tie"."""
    task = _task(task_id, "tie")
    task.policy.steps.add().person.expires_ms = SHORT_MS
    return task


def _hasty(task_id: str) -> Task:
    """Two of three agree, and the third never answers."""
    task = _task(task_id, "haste")
    task.policy.wait_for_all = False
    return task
