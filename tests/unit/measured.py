"""What a scrape of /metrics would tell: series by their name and labels."""

import asyncio
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from comitia.runtime.context import Runtime
from comitia.telemetry.setup import Telemetry

Series = dict[str, dict[tuple[str, ...], float]]


def scrape(telemetry: Telemetry) -> Series:
    """Value by name and by the labels' values, in the order of the labels' names and
    without those that are empty; without target_info.
    """
    found: Series = {}
    for family in text_string_to_metric_families(telemetry.exposition().decode()):
        for sample in family.samples:
            if sample.name != "target_info":
                labels = tuple(value for _, value in sorted(sample.labels.items()) if value)
                found.setdefault(sample.name, {})[labels] = sample.value
    return found


def of(runtimes: list[Runtime], name: str, *labels: str) -> float:
    """The sum of one series over processes; 0 where none has it."""
    scraped = [scrape(runtime.telemetry).get(name, {}) for runtime in runtimes]
    return sum(series.get(labels, 0.0) for series in scraped)


async def until_told(holds: Callable[[], bool], within_s: int = 60) -> None:
    """Let (virtual) time pass until `holds()`; looks less often than `until`, as scrapes do."""
    for _ in range(within_s * 4):
        if holds():
            return
        await asyncio.sleep(0.25)
    raise AssertionError("it was not told")
