"""Entry point `comitia-aggregator`: gives the fold to the loop that owns partitions; nothing is
decided here.

Order at start: topics, then the weights to their end, and only then partitions: what is decided is
decided by the newest weights.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from comitia.config import AggregatorSettings
from comitia.effects import DecidedTask, Effect, Recorded, Timer
from comitia.runtime.heartbeat import service_beats
from comitia.runtime.owner import OwnerSpec, run_owner
from comitia.runtime.service import Service, run_service
from comitia.runtime.tables import Tables
from comitia.v1.decision_pb2 import DELIVERY_AT_LEAST_ONCE, DELIVERY_EXACTLY_ONCE, Delivery
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.weights_pb2 import Weights
from comitia.weights_table import WeightsTable
from comitia_aggregator.duplicates import after
from comitia_aggregator.measures import Measures
from comitia_aggregator.state import Rules, TaskState
from comitia_aggregator.step import step

_LOG = logging.getLogger("comitia.aggregator")
DELIVERIES: Mapping[str, Delivery] = {
    "exactly-once": DELIVERY_EXACTLY_ONCE,
    "at-least-once": DELIVERY_AT_LEAST_ONCE,
}
# Rules that are settings of the same name.
RULED = (
    "timeout_ms_max",
    "early_max",
    "answer_bytes_max",
    "rationale_bytes_max",
    "detail_bytes_max",
    "reason_bytes_max",
    "cancel_bytes_max",
    "decision_bytes_max",
)
ENTITIES = (
    *("panel-events", "decisions", "weights", "stages", "feedback", "control"),
    "dead-letters",
)


@dataclass(frozen=True, slots=True)
class TaskFold:
    """`step` and `after` under one set of rules, as the owner loop calls them."""

    rules: Rules

    def step(
        self,
        state: TaskState | None,
        event: Recorded[PanelEvent] | Timer,
        now_ms: int,
        overloaded: bool,
    ) -> tuple[TaskState | None, Sequence[Effect]]:
        return step(state, event, now_ms, self.rules, overloaded)

    def after(self, decided: DecidedTask, event: Recorded[PanelEvent]) -> Sequence[Effect]:
        return after(decided, event)


async def compose(service: Service[AggregatorSettings]) -> None:
    """Wire and start. ConfigError when the topics cannot be used."""
    settings, names = service.settings, service.names
    await service.ensure_topics(ENTITIES)
    delivery = DELIVERIES[settings.delivery]
    weights = WeightsTable()
    rules = Rules(
        names.topic("decisions"),
        keep_ms=settings.cancel_keep_ms,
        delivery=delivery,
        weights=weights.skills,
        names=names,
        **{name: getattr(settings, name) for name in RULED},
    )
    spec = OwnerSpec(
        group=names.group("aggregator"),
        fold=TaskFold(rules),
        exactly_once=delivery == DELIVERY_EXACTLY_ONCE,
        duplicate_window_ms=settings.duplicate_window_ms,
        decided_max=settings.decided_max,
        open_tasks_max=settings.open_tasks_max,
        open_bytes_max=settings.open_bytes_max,
        told=Measures(service.runtime.telemetry).decided,
    )
    told = {"event": "delivery", "delivery": settings.delivery}
    _LOG.info("decisions are delivered %s (COMITIA_DELIVERY)", settings.delivery, extra=told)
    service.heartbeats(service_beats(service.runtime, delivery))
    tables = Tables(service.runtime)
    tables.add("weights", Weights, weights.on_weights)
    service.start(tables.run(), "tables")
    await tables.ready()
    service.start(run_owner(service.runtime, spec), "owner")


def main() -> None:
    """Run until a signal; the exit code says how it ended."""
    sys.exit(run_service("aggregator", AggregatorSettings, compose))


if __name__ == "__main__":
    main()
