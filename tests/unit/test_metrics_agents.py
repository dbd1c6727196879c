"""What an agent tells of work that nobody has begun, and what a router tells of agents."""

from comitia.ports import Record
from comitia.runtime.membership import Membership
from comitia.telemetry.setup import setup
from comitia.v1.agent_card_pb2 import AgentCard
from comitia_router.agents import AgentTable
from tests.unit.measured import of, scrape, until_told
from tests.unit.runtime_world import World, until
from tests.unit.workers_world import HIGH, Story, work

UNSTARTED = "comitia_assignments_unstarted"


def unstarted(s: Story) -> float:
    return of([s.runtime], UNSTARTED, "anna")


def test_unstarted_is_what_waits_here_and_what_is_not_read_yet() -> None:
    s = Story(in_flight_max=2)
    names = [f"w{n}" for n in range(50)]

    async def story() -> None:
        for name in names:
            s.agent.let(name)
        await s.write(*map(work, names))
        await s.start()
        # Two are at work, the lane holds no more than as many again.
        await until_told(lambda: unstarted(s) == 48)
        assert of([s.runtime], "comitia_assignments_in_flight", "anna") == 2
        # What comes while the lane is full is known after a while.
        await s.write(*(work(f"more{n}") for n in range(10)))
        await until_told(lambda: unstarted(s) == 58)
        for event in s.agent.free.values():
            event.set()
        await until(lambda: len(s.answered()) == 60)
        await until_told(lambda: unstarted(s) == 0)

    s.run(story)


def test_both_lanes_are_counted() -> None:
    s = Story(in_flight_max=1, priority_lane=True)

    async def story() -> None:
        s.agent.let("first")
        await s.write(work("first"))
        await s.start()
        await until(lambda: s.workers.in_flight == 1)
        await s.write(*(work(f"n{n}") for n in range(5)))
        await s.write(*(work(f"h{n}") for n in range(7)), topic=HIGH)
        await until_told(lambda: unstarted(s) == 12)
        s.agent.free["first"].set()
        await until_told(lambda: unstarted(s) == 0)

    s.run(story)


def test_work_that_is_taken_away_is_not_unstarted_here() -> None:
    """Two processes of an agent tell together of all that waits."""
    s, other = Story(in_flight_max=1), Story(in_flight_max=1)
    other.world = s.world
    other.agent = s.agent

    async def story() -> None:
        names = [f"w{n}" for n in range(20)]
        for name in names:
            s.agent.let(name)
        await s.start()
        await other.start()
        await until(lambda: other.runtime.health.ready and s.runtime.health.ready)
        for n, name in enumerate(names):
            await s.world.write("comitia.inbox.anna.v1", name, work(name), partition=n % 4)
        await until(lambda: s.workers.in_flight == other.workers.in_flight == 1)
        await until_told(lambda: unstarted(s) + unstarted(other) == 18)
        await other.stop()

    s.run(story)


def test_an_assignment_that_is_dropped_or_unreadable_has_no_stage() -> None:
    s = Story(stopped=lambda task: task == "task-stopped")
    stage = "comitia_task_stage_duration_seconds_count"

    async def story() -> None:
        await s.start()
        await s.world.write("comitia.inbox.anna.v1", "x", b"\xff", partition=0)
        await s.write(work("stopped"), work("expired", deadline_ms=1), work("good"))
        await until(lambda: s.answered() == ["good"])
        await until_told(lambda: of([s.runtime], stage, "answer") == 1)
        assert of([s.runtime], stage, "inbox") == 1
        dropped = "comitia_assignments_dropped_total"
        assert of([s.runtime], dropped, "anna", "STOPPED") == 1
        assert of([s.runtime], dropped, "anna", "EXPIRED") == 1

    s.run(story)


def test_agents_that_may_be_seated_are_counted() -> None:
    table = AgentTable()
    for name in ("anna", "ben", "cleo"):
        table.learn(AgentCard(name=name, version=1, skills=["x"], no_heartbeat=name != "cleo"))
    table.open_inbox("anna")
    table.open_inbox("cleo")
    assert table.alive_count(0) == 1
    table.open_inbox("ben")
    assert table.alive_count(0) == 2


def test_nothing_is_said_before_there_is_something_to_say() -> None:
    telemetry = setup("agent", "i", {})
    assert scrape(telemetry) == {}


def test_a_fetch_of_several_topics_is_a_batch_of_each() -> None:
    runtime = World().runtime("router")
    member = Membership(runtime, "g", ("a", "b"))
    member.assigned()
    member.polled([Record(topic, 0, n, 0, None, None) for n, topic in enumerate("aab")])
    found = scrape(runtime.telemetry)
    assert found["comitia_poll_batch_size_sum"] == {("a",): 2, ("b",): 1}
    assert found["comitia_poll_batch_size_count"] == {("a",): 1, ("b",): 1}
