"""Aggregators that remember next to nothing, under the simulation's faults: what they forget is
looked up, so no task is decided twice; without the look-up the simulation finds such tasks at once.

Nothing is published twice here: an id that is published again after it was forgotten is a new task.
"""

from dataclasses import replace

import pytest

from comitia.config import AggregatorSettings, ServiceSettings
from comitia.runtime.memory import Memory
from tests.sim import plan, simulation
from tests.sim.plan import Plan
from tests.sim.processes import settings_of

SEEDS = 30
# By then one in four has decided some task twice.
SEEDS_WITHOUT = 60
AGAIN = ("duplicate", "other content")


@pytest.fixture(autouse=True)
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(service: str, instance_id: str, delivery: str) -> ServiceSettings:
        settings = settings_of(service, instance_id, delivery)
        if isinstance(settings, AggregatorSettings):
            return settings.model_copy(update={"decided_max": 1, "duplicate_window_ms": 500})
        return settings

    monkeypatch.setattr("tests.sim.simulation.settings_of", forgetful)


def once(seed: int) -> Plan:
    made = plan.make(seed)
    return replace(made, publishings=tuple(p for p in made.publishings if p.kind not in AGAIN))


def test_forgotten_tasks_are_decided_once_whatever_breaks() -> None:
    found = {seed: simulation.simulate(once(seed)).violations for seed in range(SEEDS)}
    assert not {seed: violations for seed, violations in found.items() if violations}


def test_without_the_look_up_some_are_decided_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "doubts", lambda *_: None)
    twice = (
        violation
        for seed in range(SEEDS_WITHOUT)
        for violation in simulation.simulate(once(seed)).violations
        if "has decisions at" in violation
    )
    assert next(twice, None) is not None
