"""What `comitia doctor` makes of retention and of how the running aggregators deliver."""

import asyncio
from collections import Counter

import pytest

from comitia.config import AggregatorSettings, KafkaSettings, load
from comitia.ports import TopicPartition, TopicSpec
from comitia.v1.decision_pb2 import (
    DELIVERY_AT_LEAST_ONCE,
    DELIVERY_EXACTLY_ONCE,
    DELIVERY_UNSPECIFIED,
    Delivery,
)
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia_cli.client.guarantees import Beginning, Guarantees, guarantees
from comitia_cli.shell import Session
from comitia_cli.show.guarantees import delivery, removed, retention
from comitia_cli.system.machine import Finding
from tests.unit.cli_support import NAMES, Panel

HOUR_MS = 3_600_000
SETTINGS = load(AggregatorSettings, {"bootstrap": "local:1"})
DECISIONS = NAMES.topic("decisions")


def of_topics(**changed: str) -> list[Finding]:
    """The findings when the settings of `decisions` are changed."""
    topics = {spec.name: spec for spec in NAMES.specs()}
    former = topics[DECISIONS]
    topics[DECISIONS] = TopicSpec(
        DECISIONS, 4, 1, {**former.config, **{k.replace("_", "."): v for k, v in changed.items()}}
    )
    return list(retention(topics, NAMES, SETTINGS))


@pytest.mark.parametrize("kept_ms", [str(2 * HOUR_MS), "-1"])
def test_logs_that_are_kept_for_the_longest_task_and_the_window_are_fine(kept_ms: str) -> None:
    (finding,) = of_topics(retention_ms=kept_ms)
    assert (finding.verdict, "2:00:00" in finding.words) == ("ok", True)


def test_a_log_that_is_kept_too_short_is_named_with_what_to_change() -> None:
    (finding,) = of_topics(retention_ms=str(2 * HOUR_MS - 1))
    assert finding.verdict == "wrong"
    for words in (DECISIONS, "raise retention.ms", "7200000", "COMITIA_DUPLICATE_WINDOW_MS"):
        assert words in finding.words


def test_a_log_whose_youth_was_removed_is_noted_with_its_limit() -> None:
    topics = {spec.name: spec for spec in NAMES.specs()}
    young = Beginning(TopicPartition(DECISIONS, 2), 77, 2 * HOUR_MS - 1)
    old = Beginning(TopicPartition(DECISIONS, 3), 5, 2 * HOUR_MS)
    (finding,) = removed([young, old], topics, SETTINGS)
    assert finding.verdict == "note"
    for words in (f"{DECISIONS}[2]", "offset 77", "retention.bytes", str(1024**3)):
        assert words in finding.words


@pytest.mark.parametrize(
    ("kinds", "verdict", "says"),
    [
        ({}, "note", "no aggregator runs"),
        ({DELIVERY_EXACTLY_ONCE: 3}, "ok", "3 exactly-once"),
        ({DELIVERY_AT_LEAST_ONCE: 2}, "note", "2 at-least-once: a crash may decide a task twice"),
        ({DELIVERY_AT_LEAST_ONCE: 1, DELIVERY_EXACTLY_ONCE: 2}, "note", "warning, a mix"),
        ({DELIVERY_UNSPECIFIED: 1}, "note", "1 unknown"),
    ],
)
def test_the_delivery_that_runs_is_named(
    kinds: dict[Delivery, int], verdict: str, says: str
) -> None:
    finding = delivery(Guarantees(Counter(kinds), ()))
    assert finding.verdict == verdict
    assert says in finding.words


def test_deliveries_are_those_of_the_aggregators_that_live() -> None:
    log = Panel()

    async def story() -> Guarantees | None:
        async def beat(instance: str, service: str, mode: Delivery, leaving: bool = False) -> None:
            said = Heartbeat(instance=instance, service=service, leaving=leaving, delivery=mode)
            said.interval_ms = 600_000
            await log.put("heartbeats", service, said)

        await beat("a", "aggregator", DELIVERY_EXACTLY_ONCE)
        await beat("b", "aggregator", DELIVERY_AT_LEAST_ONCE)
        await beat("b", "aggregator", DELIVERY_AT_LEAST_ONCE, leaving=True)
        await beat("r", "router", DELIVERY_UNSPECIFIED)
        await beat("c", "aggregator", DELIVERY_EXACTLY_ONCE)
        settings = load(KafkaSettings, {"bootstrap": "local:1"})
        return await guarantees(Session(log, NAMES, settings))

    found = asyncio.run(story())
    assert found is not None
    assert found.deliveries == Counter({DELIVERY_EXACTLY_ONCE: 2})
    assert found.beginnings == []
