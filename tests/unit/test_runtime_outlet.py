"""How far apart the transactions of one partition begin."""

import asyncio

import pytest

from comitia.ports import TopicPartition
from comitia.runtime.flush import Outlet
from tests.unit.runtime_world import World, simulate


@pytest.mark.parametrize(("transactional", "apart_ms"), [(True, 20), (False, 0)])
def test_a_transaction_rests_until_the_next_may_begin(transactional: bool, apart_ms: int) -> None:
    world = World()

    async def story() -> None:
        await world.create()
        runtime = world.runtime()
        where = TopicPartition(world.names.topic("panel-events"), 0)
        writer = await world.log.writer("id" if transactional else None)
        outlet = Outlet(runtime, writer, where, transactional)
        await asyncio.sleep(1)
        began_ms = world.clock.monotonic_ms()
        await outlet.flush(())
        await outlet.rest()
        assert world.clock.monotonic_ms() - began_ms == pytest.approx(apart_ms)
        # One that took longer, or lies back, delays nothing.
        await outlet.flush(())
        await asyncio.sleep(0.03)
        before_ms = world.clock.monotonic_ms()
        await outlet.rest()
        assert world.clock.monotonic_ms() == before_ms
        await outlet.close()

    simulate(world, story())
