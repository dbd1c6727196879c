"""However many agents, tasks and odd inputs there are, the number of series has a bound."""

import random

import pytest

from comitia.runtime.context import Runtime
from comitia.telemetry.metrics import AGENTS_MAX, METRICS
from comitia.v1.panel_event_pb2 import PanelEvent
from tests.unit import panel_world
from tests.unit.measured import of, scrape, until_told
from tests.unit.panel_world import EVENTS, Panel, a_task

AGENTS, TASKS_MANY = 1_000, 1_000
# Label sets of one metric in one process, but for that of seats: topics, reasons, statuses, stages.
FEW = 12
OUTCOMES = 8


class Nobody:
    """An agent's workers who never answer."""

    def __init__(self, *_: object) -> None:
        return

    async def run(self) -> None:
        return


class Crowd(Panel):
    """A panel of a thousand agents in one process."""

    def _runtime(self, service: str) -> Runtime:
        if service == "agent" and len(self.runtimes) > 2:
            return self.runtimes[-1]
        return super()._runtime(service)


def label_sets(runtime: Runtime) -> dict[str, int]:
    """How many there are of each series, histograms by their count."""
    return {
        name: len(series)
        for name, series in scrape(runtime.telemetry).items()
        if not name.endswith(("_bucket", "_sum"))
    }


async def publish_odd_things(p: Panel, chance: random.Random) -> None:
    for n in range(TASKS_MANY):
        task = a_task(f"t{n}" if n % 7 else f'{chance.random()}\n"{{}}\\', timeout_ms=1_000)
        task.tenant, task.session = f"tenant {n}", f"session {n}"
        if n % 11 == 0:
            task.skill = f"unknown {n}"
        await p.publish(task, task.id)
    for n in range(50):
        await p.publish(chance.randbytes(20), f"k{n}")
        await p.world.write(EVENTS, f"k{n}", chance.randbytes(20))
        stray = PanelEvent(task_id=f"stray {n}")
        stray.panel_opened.panel_id = f"p{n}"
        stray.panel_opened.deadline_ms = 1
        stray.panel_opened.seats.add(seat=0, agent=f'an "agent"\n{{n="{n}"}}\\')
        stray.panel_opened.assignments.add(id=f"{n}", seat=0)
        await p.world.write(EVENTS, stray.task_id, stray, partition=n % 4)
        stray.answer.agent = f"nobody {n}"
        await p.world.write(EVENTS, stray.task_id, stray, partition=n % 4)


def test_a_thousand_agents_and_tasks_make_a_bounded_number_of_series(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(panel_world, "NAMES", tuple(f"agent-{n}" for n in range(AGENTS)))
    monkeypatch.setattr(panel_world, "Workers", Nobody)
    p = Crowd()

    async def story() -> None:
        await publish_odd_things(p, random.Random(3))
        decided = "comitia_decisions_total"
        everyone = sum(of(p.runtimes, decided, status) for status in ("EXPIRED", "NO_AGENT"))
        assert everyone <= TASKS_MANY
        await until_told(lambda: of(p.runtimes, decided, "EXPIRED") > 0.8 * TASKS_MANY)
        seats = scrape(p.runtimes[1].telemetry)["comitia_seats_total"]
        assert {"_other"} < {agent for agent, _ in seats}
        for runtime in p.runtimes:
            found = label_sets(runtime)
            assert found.pop("comitia_seats_total", 0) <= (AGENTS_MAX + 1) * OUTCOMES
            assert {name: count for name, count in found.items() if count > FEW} == {}
            assert len(found) <= len(METRICS)

    p.run(story)


def test_no_attribute_of_a_metric_holds_what_a_user_writes() -> None:
    told = {attribute.value for metric in METRICS for attribute in metric.attributes}
    assert not told & {"comitia.task.id", "comitia.assignment.id", "messaging.kafka.message.key"}
