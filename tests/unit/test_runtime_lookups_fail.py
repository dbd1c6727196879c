"""Look-ups while the decisions of one partition cannot be read."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from comitia.errors import Retryable
from comitia.ports import TopicPartition
from comitia.runtime import lookups
from comitia.runtime.fold import Fold, Load
from comitia.runtime.held import Held
from comitia.runtime.lookups import CONDITION, Lookups
from comitia.runtime.memory import Parked
from comitia.runtime.partition_state import PartitionState
from comitia.testing.virtual_time import run_virtual
from tests.unit.runtime_world import World


def held(number: int) -> Held:
    state = PartitionState(cast("Fold[Any]", None), Load(1, 1), "decisions", 0)
    state.parked["a"] = Parked(0, b"a")
    return Held(TopicPartition("events", number), state)


def test_one_partition_that_cannot_be_read_does_not_keep_the_next_one_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scan(_: object, tp: TopicPartition, *__: object) -> Mapping[str, Any]:
        if tp.partition == 0:
            raise Retryable("no leader")
        return {}

    monkeypatch.setattr(lookups, "scan", scan)
    world = World()
    runtime, both = world.runtime(), {0: held(0), 1: held(1)}
    run_virtual(Lookups(runtime, both).work(), world.clock)
    assert list(both[0].state.parked) == ["a"]
    assert not both[1].state.parked
    assert runtime.health.reasons() == [f"{CONDITION}: no leader"]
