"""The stream loop on LocalLog: order of effects, commits, poison, retries, drain."""

import asyncio
from collections.abc import Sequence

import pytest

from comitia.effects import DeadLetter, Effect, Publish, Recorded
from comitia.errors import ConfigError, Poison, Retryable
from comitia.runtime import dead_letters
from comitia.runtime.stream import Source, StreamSpec, run_stream
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.dead_letter_pb2 import DeadLetter as DeadLetterMessage
from comitia.v1.decision_pb2 import DECISION_STATUS_REJECTED
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from tests.unit.runtime_world import World, simulate, until

GROUP = "comitia.router"
TASKS = "comitia.tasks.v1"
EVENTS = "comitia.panel-events.v1"
INBOX = "comitia.inbox.anna.v1"
AGENTS = "comitia.agents.v1"
LETTERS = "comitia.dead-letters.v1"


def seat(recorded: Recorded[Task], now_ms: int) -> Sequence[Effect]:
    """One assignment, acknowledged before the panel; some ids ask for trouble."""
    task = recorded.message
    if task.id == "poison":
        raise Poison("cannot be seated", "NO_WAY")
    if task.id == "bug":
        raise KeyError("lookup")
    if task.id == "kept":
        return (DeadLetter("DUPLICATE_ID", "seen before", task.id),)
    opened = PanelEvent(task_id=task.id)
    opened.panel_opened.panel_id = f"p-{task.id}"
    assignment = Assignment(id=f"a-{task.id}", task=task)
    if task.id == "huge":
        assignment.role = "x" * 5_000_000
    return (
        Publish(EVENTS, task.id, opened, partition=0, order=1),
        Publish(INBOX, task.id, assignment),
    )


def spec(world: World) -> StreamSpec:
    refused = dead_letters.task_refused(world.names, 4)
    return StreamSpec(GROUP, (Source(TASKS, Task, seat, refused),), batch_max=10)


async def started(world: World) -> tuple[asyncio.Event, asyncio.Task[None]]:
    runtime = world.runtime("router")
    return runtime.stop, asyncio.create_task(run_stream(runtime, spec(world)))


def test_every_record_is_handled_and_committed() -> None:
    world = World()

    async def story() -> None:
        await world.create("anna")
        for n in range(50):
            await world.write(TASKS, f"t{n}", Task(id=f"t{n}"), partition=0)
        stop, loop = await started(world)
        await until(lambda: world.committed(GROUP, TASKS, 0) == 50)
        stop.set()
        await loop
        panels = [e.panel_opened.panel_id for e in world.messages(EVENTS, PanelEvent)]
        assert sorted(panels) == sorted(f"p-t{n}" for n in range(50))
        assert len(world.records(INBOX)) == 50

    simulate(world, story())


def test_a_panel_is_not_sent_before_its_assignment_is_acknowledged() -> None:
    world = World()

    async def story() -> None:
        await world.create("anna")
        away = True
        world.log.fault = lambda operation, subject: (
            Retryable("away") if away and (operation, subject) == ("append", INBOX) else None
        )
        await world.write(TASKS, "t", Task(id="t"), partition=0)
        stop, loop = await started(world)
        await asyncio.sleep(30)
        assert world.records(EVENTS) == []
        assert not world.committed(GROUP, TASKS, 0)
        away = False
        await until(lambda: len(world.records(EVENTS)) == 1)
        await until(lambda: world.committed(GROUP, TASKS, 0) == 1)
        assert len(world.records(INBOX)) == 1
        stop.set()
        await loop

    simulate(world, story())


def test_commits_stay_below_the_oldest_unfinished_batch() -> None:
    world = World()

    async def story() -> None:
        await world.create("anna")
        stuck = True

        def fault(operation: str, subject: str) -> Exception | None:
            return Retryable("away") if stuck and subject == INBOX else None

        await world.write(TASKS, "t0", Task(id="t0"), partition=0)
        world.log.fault = fault
        stop, loop = await started(world)
        await asyncio.sleep(1)
        # These produce no assignment, so that their batch is finished before the first one.
        for _ in range(3):
            await world.write(TASKS, "kept", Task(id="kept"), partition=0)
        await until(lambda: len(world.records(LETTERS)) == 3)
        await asyncio.sleep(1)
        assert world.committed(GROUP, TASKS, 0) in (None, 0)
        stuck = False
        await until(lambda: world.committed(GROUP, TASKS, 0) == 4)
        stop.set()
        await loop

    simulate(world, story())


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("t1", b"\xff\xff not protobuf", "UNREADABLE"),
        ("t1", b"", "UNREADABLE"),
        ("t1", None, "UNREADABLE"),
        ("other", Task(id="poison"), "NO_WAY"),
        ("other", Task(id="bug"), "HANDLER_FAILED"),
        ("other", Task(id="huge"), "TOO_LARGE"),
    ],
)
def test_poison_is_kept_its_task_refused_and_the_stream_goes_on(
    key: str, value: Task | bytes | None, reason: str
) -> None:
    world = World()

    async def story() -> None:
        await world.create("anna")
        headers = (
            ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
            ("mine", b"\x00"),
        )
        await world.write(TASKS, key, value, partition=2, headers=headers)
        await world.write(TASKS, "good", Task(id="good"), partition=2)
        stop, loop = await started(world)
        await until(lambda: world.committed(GROUP, TASKS, 2) == 2)
        stop.set()
        await loop
        (record,) = world.records(LETTERS)
        letter = DeadLetterMessage.FromString(record.value or b"")
        original = value.SerializeToString() if isinstance(value, Task) else value
        task_id = value.id if isinstance(value, Task) else key
        assert (letter.topic, letter.partition, letter.offset) == (TASKS, 2, 0)
        assert (letter.value if letter.HasField("value") else None) == original
        assert [(h.key, h.value) for h in letter.headers] == list(headers)
        assert (letter.reason, letter.task_id, letter.service) == (reason, task_id, "router")
        found = dict(record.headers)
        assert found["__streams.errors.topic"] == TASKS.encode()
        assert found["__streams.errors.offset"] == b"0"
        assert found["traceparent"] == headers[0][1]
        events = {e.task_id: e for e in world.messages(EVENTS, PanelEvent)}
        refused = events[task_id].task_refused
        assert refused.status == DECISION_STATUS_REJECTED
        assert reason in refused.reason
        assert refused.dead_letter.offset == 0
        assert events["good"].panel_opened.panel_id == "p-good"

    simulate(world, story())


def test_a_tombstone_takes_out_what_its_key_names() -> None:
    world, table = World(), dict[str, str]()

    def learn(recorded: Recorded[AgentCard], now_ms: int) -> Sequence[Effect]:
        table[recorded.message.name] = recorded.message.role
        return ()

    async def story() -> None:
        await world.create()
        for value in (AgentCard(name="anna", role="critic"), None, AgentCard(name="ben")):
            await world.write(AGENTS, value.name if value else "anna", value)
        source = Source(AGENTS, AgentCard, learn, removed=table.__delitem__)
        loop = run_stream(world.runtime("router"), StreamSpec(GROUP, (source,)))
        reading = asyncio.create_task(loop)
        await until(lambda: world.committed(GROUP, AGENTS, 0) == 3)
        reading.cancel()
        assert table == {"ben": ""}
        assert world.records(LETTERS) == []

    simulate(world, story())


def test_a_broker_away_makes_it_unready_and_it_recovers() -> None:
    world = World()

    async def story() -> None:
        await world.create("anna")
        runtime = world.runtime("router")
        world.log.fault = lambda operation, _: (
            Retryable("no broker answers") if operation in ("writer", "reader") else None
        )
        loop = asyncio.create_task(run_stream(runtime, spec(world)))
        await asyncio.sleep(20)
        assert "broker: no broker answers" in runtime.health.reasons()
        world.log.fault = lambda operation, _: None
        await until(lambda: runtime.health.ready)
        world.log.fault = lambda operation, _: (
            Retryable("no broker answers") if operation == "fetch" else None
        )
        await until(lambda: not runtime.health.ready)
        world.log.fault = lambda operation, _: None
        await until(lambda: runtime.health.ready)
        runtime.stop.set()
        await loop

    simulate(world, story())


def test_a_commit_that_can_never_succeed_ends_the_loop() -> None:
    world = World()

    async def story() -> None:
        await world.create("anna")
        refused = ConfigError("no right")
        world.log.fault = lambda operation, _: refused if operation == "commit" else None
        await world.write(TASKS, "a", Task(id="a"))
        _, loop = await started(world)
        await asyncio.wait({loop})
        assert "no right" in repr(loop.exception())

    simulate(world, story())


def test_stop_while_the_broker_is_away_ends_the_loop() -> None:
    world = World()

    async def story() -> None:
        await world.create("anna")
        runtime = world.runtime("router")
        world.log.fault = lambda operation, _: Retryable("away")
        loop = asyncio.create_task(run_stream(runtime, spec(world)))
        await asyncio.sleep(1)
        runtime.stop.set()
        await loop

    simulate(world, story())


def test_a_restart_repeats_only_what_was_not_committed() -> None:
    world = World()

    async def story() -> None:
        await world.create("anna")
        for n in range(5):
            await world.write(TASKS, f"t{n}", Task(id=f"t{n}"), partition=0)
        stop, loop = await started(world)
        await until(lambda: len(world.records(EVENTS)) == 5)
        stop.set()
        await loop
        assert world.committed(GROUP, TASKS, 0) == 5
        for n in range(5, 8):
            await world.write(TASKS, f"t{n}", Task(id=f"t{n}"), partition=0)
        stop, loop = await started(world)
        await until(lambda: len(world.records(EVENTS)) >= 8)
        stop.set()
        await loop
        assert len(world.records(EVENTS)) == 8

    simulate(world, story())


def test_trace_context_travels_on_without_a_tracer() -> None:
    world = World()
    traceparent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    async def story() -> None:
        await world.create("anna")
        headers = (("traceparent", traceparent), ("tracestate", b"v=1"))
        await world.write(TASKS, "t", Task(id="t"), partition=0, headers=headers)
        stop, loop = await started(world)
        await until(lambda: len(world.records(EVENTS)) == 1)
        stop.set()
        await loop
        for record in (*world.records(EVENTS), *world.records(INBOX)):
            found = dict(record.headers)
            assert found["traceparent"] == traceparent
            assert found["tracestate"] == b"v=1"
            assert found["content-type"] == b"application/protobuf"
            assert found["ce_specversion"] == b"1.0"
            assert found["ce_source"] == b"/comitia/router"
            assert found["ce_type"].startswith(b"comitia.v1.")

    simulate(world, story())
