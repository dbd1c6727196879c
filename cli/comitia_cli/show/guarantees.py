"""Findings of `comitia doctor` about the promise of one decision per task: delivery and retention.

In: what a cluster shows and the services' settings. Out: findings whose words name the setting or
the topic's config to change.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from comitia.config import AggregatorSettings
from comitia.ports import TopicSpec
from comitia.topics import Names
from comitia.v1.decision_pb2 import (
    DELIVERY_AT_LEAST_ONCE,
    DELIVERY_EXACTLY_ONCE,
    DELIVERY_UNSPECIFIED,
)
from comitia_cli.client.guarantees import LOGS, Beginning, Guarantees
from comitia_cli.system.machine import Finding

_WORDS = {
    DELIVERY_EXACTLY_ONCE: "exactly-once",
    DELIVERY_AT_LEAST_ONCE: "at-least-once",
    DELIVERY_UNSPECIFIED: "unknown (an older version, which does not say)",
}
_TWICE = "a crash may decide a task twice"


def delivery(found: Guarantees) -> Finding:
    """How the running aggregators deliver."""
    kinds = found.deliveries
    counts = ", ".join(f"{count} {_WORDS[kind]}" for kind, count in sorted(kinds.items()))
    words = f"aggregators that run: {counts}"
    if not kinds:
        return Finding("cluster", "delivery", "note", "no aggregator runs")
    if set(kinds) == {DELIVERY_EXACTLY_ONCE}:
        return Finding("cluster", "delivery", "ok", words)
    if DELIVERY_AT_LEAST_ONCE in kinds and len(kinds) == 1:
        words += f": {_TWICE}. COMITIA_DELIVERY=exactly-once, the default, prevents that"
    elif DELIVERY_AT_LEAST_ONCE in kinds:
        words += (
            f": warning, a mix: {_TWICE}, and an owner with at-least-once is not fenced by the"
            " next. Give all of them the same COMITIA_DELIVERY"
        )
    return Finding("cluster", "delivery", "note", words)


def window_ms(settings: AggregatorSettings) -> int:
    """How far back a take-over, or the look-up of an old task, may have to read. Milliseconds."""
    return settings.timeout_ms_max + settings.duplicate_window_ms


def retention(
    topics: Mapping[str, TopicSpec], names: Names, settings: AggregatorSettings
) -> Iterator[Finding]:
    """Whether retention.ms covers the longest task and the duplicate window."""
    needed_ms = window_ms(settings)
    sum_ = (
        f"COMITIA_TIMEOUT_MS_MAX ({settings.timeout_ms_max}) + COMITIA_DUPLICATE_WINDOW_MS"
        f" ({settings.duplicate_window_ms})"
    )
    short = False
    for entity in LOGS:
        spec = topics.get(names.topic(entity))
        kept_ms = int(spec.config.get("retention.ms", -1)) if spec is not None else -1
        if spec is not None and 0 <= kept_ms < needed_ms:
            short = True
            words = (
                f"retention.ms of {spec.name} is {kept_ms}, but a take-over may read back"
                f" {needed_ms} = {sum_}: raise retention.ms with kafka-configs, or lower those"
                " settings"
            )
            yield Finding("topics", "retention", "wrong", words)
    if not short and all(names.topic(entity) in topics for entity in LOGS):
        words = f"panel-events and decisions are kept for {_span(needed_ms)} and longer: {sum_}"
        yield Finding("topics", "retention", "ok", words)


def removed(
    beginnings: Sequence[Beginning],
    topics: Mapping[str, TopicSpec],
    settings: AggregatorSettings,
) -> Iterator[Finding]:
    """Partitions whose log begins with a record younger than a take-over may need."""
    needed_ms = window_ms(settings)
    for one in beginnings:
        spec = topics.get(one.tp.topic)
        limit = spec.config.get("retention.bytes", "-1") if spec is not None else "-1"
        if one.age_ms >= needed_ms:
            continue
        words = (
            f"{one.tp.topic}[{one.tp.partition}] begins at offset {one.offset}, appended"
            f" {_span(one.age_ms)} ago; what was before is gone, though a take-over may read back"
            f" {_span(needed_ms)}. Unless nothing was written there for long, retention.bytes"
            f" ({limit}) is too small for the load: raise it with kafka-configs"
        )
        yield Finding("topics", "retention", "note", words)


def _span(duration_ms: int) -> str:
    return str(timedelta(seconds=round(duration_ms / 1000)))
