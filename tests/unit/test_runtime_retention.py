"""A take-over whose beginning was removed by retention says so and counts it, on LocalLog."""

import asyncio

import pytest

from tests.unit.owner_world import DECISIONS, EVENTS, GROUP, Story, answer, panel
from tests.unit.runtime_world import until


def lost(s: Story) -> dict[str, float]:
    """Offsets that take-overs missed, by topic."""
    lines = s.runtime.telemetry.exposition().decode().splitlines()
    found = [line.split() for line in lines if line.startswith("comitia_records_lost_total{")]
    return {name.split('"')[1]: float(count) for name, count in found}


def test_events_and_decisions_that_were_removed_unread_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        for count, name in enumerate(("a", "b", "c")):
            await s.write(panel(name), answer(name, "1"), answer(name, "2"))
            await until(lambda count=count: len(s.decisions()) == count + 1)  # type: ignore[misc]
        # "open" holds the mark at 9; the decisions are all remembered.
        await s.write(panel("open"), panel("other"), panel("last"))
        await until(lambda: s.mark == 9)
        await s.kill()
        assert s.world.committed(GROUP, EVENTS, 0) == 9
        s.world.log.topic(EVENTS).partitions[0].trim(11)
        s.world.log.topic(DECISIONS).partitions[0].trim(4)
        caplog.clear()
        await s.live()
        told = [r.getMessage() for r in caplog.records if "were removed" in r.getMessage()]
        assert [text.split(" were")[0] for text in told] == [
            f"{DECISIONS}[0]: offsets 0 to 3",
            f"{EVENTS}[0]: offsets 9 to 10",
        ]
        assert "retention.bytes" in told[0]
        assert lost(s) == {DECISIONS: 4, EVENTS: 2}
        # It goes on with what is there.
        await s.write(answer("last", "1"), answer("last", "2"))
        await until(lambda: len(s.world.records(DECISIONS)) == 2)

    s.run(story)


def test_an_idle_log_that_retention_emptied_is_no_loss(caplog: pytest.LogCaptureFixture) -> None:
    s = Story(duplicate_window_ms=1_000)

    async def story() -> None:
        await s.live()
        await s.write(panel("a"), answer("a", "1"), answer("a", "2"))
        await until(lambda: "a" in s.decisions())
        await asyncio.sleep(60)
        await s.kill()
        for topic in (EVENTS, DECISIONS):
            log = s.world.log.topic(topic).partitions[0]
            log.trim(log.high_watermark)
        await s.live()
        assert lost(s) == {}
        assert "were removed" not in caplog.text
        await s.write(panel("b"), answer("b", "1"), answer("b", "2"))
        await until(lambda: len(s.world.records(DECISIONS)) == 1)

    s.run(story)
