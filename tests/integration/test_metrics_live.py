"""Every metric of the catalogue at /metrics of real services after a few tasks, and the same names
by OTLP.
"""

import asyncio
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from comitia.ports import Outgoing, ReaderSpec
from comitia.telemetry import metrics as m
from comitia.topics import Names
from comitia.v1.decision_pb2 import Decision
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.format_pb2 import AnswerFormat, TextFormat
from comitia.v1.input_pb2 import Input
from comitia.v1.task_pb2 import Task
from scripts.metrics_page import sampled
from tests.conftest import free_ports
from tests.integration.panel_support import ROOT, Client, Processes
from tests.integration.test_agent_panel import DECODER, OURS, built, review
from tests.telemetry.sink import Sink, listening

SERVICES = ("router", "aggregator", "agent", "learner")
# What a run in which nothing goes wrong has none of. Unit tests, and the live dashboards, have.
UNUSUAL = {
    m.ANSWERS_DROPPED: "every answer is in time, and there is one of each",
    m.ASSIGNMENTS_DROPPED: "every assignment is answered",
    m.LOOKUPS: "no task is older than what is remembered",
    m.RECORDS_LOST: "retention removes nothing",
    m.RETRIES: "the broker is there when the services start",
}
ATTEMPTS_MAX = 120


@dataclass
class Panel:
    processes: Processes
    ports: dict[str, int]
    sink: Sink

    def scrape(self, service: str) -> dict[str, Family]:
        url = f"http://127.0.0.1:{self.ports[service]}/metrics"
        with urllib.request.urlopen(url, timeout=30) as answer:
            text = answer.read().decode()
        return {family.name: family for family in text_string_to_metric_families(text)}

    def pushed(self) -> set[str]:
        """Names that came by OTLP."""
        return {
            metric.name
            for body in tuple(self.sink.bodies)
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture(scope="module")
def panel(
    broker: str, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Panel]:
    """All services, with three agents on one model, who push to a sink, too."""
    built(DECODER, cache_dir)
    first = free_ports(len(SERVICES))
    ports = {service: first + n for n, service in enumerate(SERVICES)}
    folder = tmp_path_factory.mktemp("metrics")
    with listening() as sink, Processes(folder, broker, cache_dir) as processes:
        environment = {
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{sink.endpoint}/v1/metrics",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "COMITIA_AGENT_CARDS": os.pathsep.join(
                str(ROOT / "agents" / f"{name}.yaml") for name in OURS
            ),
        }
        for service, port in ports.items():
            processes.service(service, COMITIA_HTTP_PORT=str(port), **environment)
        yield Panel(processes, ports, sink)


@pytest.fixture(scope="module")
def live(panel: Panel) -> Panel:
    """The panel after tasks that it decided, one that was left to a person until that expired, one
    that it could not read, and one for nobody.
    """
    asyncio.run(_tasks(panel))
    return panel


async def _tasks(panel: Panel) -> None:
    names = panel.processes.names
    client = await Client.open(panel.processes)
    try:
        await client.alive(*OURS)
        await client.decided_by(lambda name: review("A joy.", name), *OURS)
        prose = Task(id="prose", skill="answer", input=Input(text="What do bees make?"))
        prose.format.CopyFrom(AnswerFormat(text=TextFormat(tokens_max=8)))
        prose.timeout_ms = 60_000
        prose.policy.wait_for_all = True
        await client.decide(prose)
        await client.decide(
            Task(id="nobody", skill="alchemy", timeout_ms=60_000, input=prose.input)
        )
        left = review("A joy.", "left-to-a-person")
        person = left.policy.steps.add()
        person.when.always = True
        person.person.expires_ms = 500
        await client.decide(left)
        writer = await client.log.writer()
        await (await writer.send(Outgoing(names.topic("tasks"), b"\xff\xff", b"unreadable")))
        told = await _feedback_on_a_choice(client, names)
        await (await writer.send(Outgoing(names.topic("feedback"), told.SerializeToString())))
        await writer.close()
        for _ in range(ATTEMPTS_MAX):
            panel.processes.check()
            learned = "comitia_weights_version" in panel.scrape("learner")
            expired = "comitia_revisions" in panel.scrape("aggregator")
            if learned and expired and "comitia_dead_letters" in panel.scrape("router"):
                return
            await asyncio.sleep(0.5)
        raise AssertionError("a task was not kept, nothing was learned, or a conflict stayed open")
    finally:
        await client.close()


async def _feedback_on_a_choice(client: Client, names: Names) -> Feedback:
    """That what was decided is right, of a task that had options."""
    reader = await client.log.reader(ReaderSpec((names.topic("decisions"),)))
    try:
        for _ in range(ATTEMPTS_MAX):
            for record in await reader.fetch(500, 500):
                decision = Decision.FromString(record.value or b"")
                if decision.value.option_id:
                    return Feedback(
                        id="f",
                        task_id=decision.task_id,
                        decision_partition=record.partition,
                        decision_offset=record.offset,
                        correct=decision.value,
                    )
    finally:
        await reader.close()
    raise AssertionError("no option was decided for")


def test_every_metric_is_exposed_by_its_services_under_its_names(live: Panel) -> None:
    scraped = {service: live.scrape(service) for service in SERVICES}
    families = sampled()
    found: dict[str, set[str]] = {}
    for metric in m.METRICS:
        family, labels = families[metric.name]
        for service, told in scraped.items():
            if family.name in told:
                found.setdefault(metric.name, set()).add(service)
                assert {s.name for s in told[family.name].samples} >= {
                    s.name for s in family.samples if not s.name.endswith("_created")
                }, metric.name
                used = {label for s in told[family.name].samples for label in s.labels} - {"le"}
                assert used <= set(labels.values()), metric.name
    missing = {metric.name for metric in m.METRICS if metric.name not in found}
    assert missing == {metric.name for metric in UNUSUAL if metric.name not in found}
    known = {family.name for family, _ in families.values()} | {"target_info"}
    for service, told in scraped.items():
        assert set(told) <= known, service
    for metric in m.METRICS:
        measuring = set(metric.services.split(", "))
        assert found.get(metric.name, set()) <= measuring, metric.name
        if metric is not m.DEAD_LETTERS and metric not in UNUSUAL:
            assert found[metric.name] == measuring, metric.name


def test_what_they_say_adds_up(live: Panel) -> None:
    def total(service: str, name: str, **labels: str) -> float:
        return sum(
            sample.value
            for family in live.scrape(service).values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    revised = total("aggregator", "comitia_revisions_total", comitia_outcome="expired")
    assert revised == 1 and total("aggregator", "comitia_conflicts_open") == 0
    decided = total("aggregator", "comitia_decisions_total") - revised
    assert decided >= 4
    stage = "comitia_task_stage_duration_seconds_count"
    assert total("aggregator", "comitia_task_duration_seconds_count") <= decided
    # The decision of the task that could not be read has no stage.
    assert decided - total("router", stage, comitia_stage="route") in (0, 1)
    answered = total("agent", stage, comitia_stage="answer")
    assert answered == total("agent", stage, comitia_stage="inbox")
    assert answered == total("aggregator", "comitia_seats_total")
    assert total("router", "comitia_agents_alive") == len(OURS)
    for service in SERVICES:
        assert total(service, "comitia_ready") == 1
        assert total(service, "comitia_consumer_lag") == 0
    assert total("agent", "comitia_assignments_unstarted") == 0
    assert 0 < total("agent", "gen_ai_server_time_per_output_token_seconds_sum") < 60
    used = total("agent", "gen_ai_client_token_usage_sum", gen_ai_token_type="input")
    assert used > 100


async def test_the_same_names_are_pushed(live: Panel) -> None:
    wanted = {metric.name for metric in m.METRICS if metric not in UNUSUAL}
    for _ in range(ATTEMPTS_MAX):
        if wanted <= live.pushed():
            break
        await asyncio.sleep(0.5)
    assert wanted - live.pushed() == set()
    assert live.pushed() <= {metric.name for metric in m.METRICS}
