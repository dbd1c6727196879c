"""What the owner loop measures of itself, on LocalLog: its folds and its transactions."""

import re

from comitia.telemetry.metric import Metric
from comitia.telemetry.metrics import FOLD_DURATION, TRANSACTION_DURATION
from tests.unit.owner_world import Story, answer, panel
from tests.unit.runtime_world import until


def measured(s: Story, metric: Metric) -> int:
    """How often the running owner has recorded it, as a scrape of /metrics tells."""
    name = f"{metric.name}.seconds.count".replace(".", "_")
    text = s.runtime.telemetry.exposition().decode()
    found = re.search(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M)
    return round(float(found[1])) if found is not None else 0


def test_every_take_over_and_every_transaction_is_measured() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        partitions = measured(s, FOLD_DURATION)
        assert (partitions > 0, measured(s, TRANSACTION_DURATION)) == (True, 0)
        await s.write(panel("a"), answer("a", "1"), answer("a", "2"))
        await until(lambda: "a" in s.decisions())
        await until(lambda: measured(s, TRANSACTION_DURATION) == 1)
        await s.kill()
        await s.live()
        assert measured(s, FOLD_DURATION) == partitions

    s.run(story)


def test_at_least_once_there_are_no_transactions_to_measure() -> None:
    s = Story(exactly_once=False)

    async def story() -> None:
        await s.live()
        await s.write(panel("a"), answer("a", "1"), answer("a", "2"))
        await until(lambda: "a" in s.decisions())
        assert (measured(s, FOLD_DURATION) > 0, measured(s, TRANSACTION_DURATION)) == (True, 0)

    s.run(story)
