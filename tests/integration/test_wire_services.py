"""Services that are not let in, or lack a right: those whose settings are wrong end with exit code
2 and one line that says what to change; what may pass is waited for, with the reason on /readyz.
"""

import asyncio
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from comitia import acls
from comitia.broker import HOST
from comitia.config import KafkaSettings, load
from comitia.ports import Outgoing
from comitia.runtime.kafka_log import KafkaLog
from comitia.topics import Names
from comitia.v1.decision_pb2 import Decision
from comitia.v1.task_pb2 import Task
from tests.conftest import free_ports
from tests.integration.panel_support import Processes
from tests.integration.wire_acls import Acls
from tests.integration.wire_support import Demanding, TokenEndpoint

EXIT_CONFIG = 2
ATTEMPTS_MAX = 200


@pytest.fixture
def processes(demands: Demanding, tmp_path: Path, cache_dir: Path) -> Iterator[Processes]:
    with Processes(tmp_path, demands.secure, cache_dir) as running:
        running.environment["COMITIA_CREATE_TOPICS"] = "false"
        yield running


def ended_with(processes: Processes, name: str, process: "subprocess.Popen[bytes]") -> str:
    """The last line of a service that ended because of its settings."""
    try:
        status = process.wait(20)
    except subprocess.TimeoutExpired:
        status = None
    assert status == EXIT_CONFIG, processes.output(name)
    said = processes.output(name)
    assert "Traceback" not in said, said
    assert "s3cret" not in said
    lines = [line for line in said.splitlines() if " ERROR " in line or '"ERROR"' in line]
    assert len(lines) == 1, said
    return lines[0]


async def prepare(demands: Demanding, names: Names) -> None:
    settings = load(KafkaSettings, {"bootstrap": demands.bootstrap})
    log = await KafkaLog.open(settings, "test")
    await log.create(names.specs())
    writer = await log.writer()
    task = Task(id=uuid.uuid4().hex, timeout_ms=1_000, skill="none")
    task.input.text = "?"
    topic = names.topic("tasks")
    await (await writer.send(Outgoing(topic, task.SerializeToString(), task.id.encode())))
    # Of an empty topic nobody reads anything, so that nobody needs a right to.
    decided = Decision(task_id="decided before").SerializeToString()
    for spec in names.specs():
        for number in range(spec.partitions if spec.name == names.topic("decisions") else 0):
            await (await writer.send(Outgoing(spec.name, decided, b"k", partition=number)))
    await writer.close()
    await log.close()


@pytest.mark.parametrize(
    ("service", "lacks"),
    [
        ("router", ("Read", "group", "comitia.router")),
        # Only felt when a task is routed.
        ("router", ("Write", "topic", "comitia.panel-events.v1")),
        ("router", ("Read", "topic", "comitia.heartbeats.v1")),
        ("aggregator", ("Write", "transactional-id", "comitia.aggregator.")),
        ("aggregator", ("Read", "topic", "comitia.decisions.v1")),
        ("aggregator", ("Write", "topic", "comitia.heartbeats.v1")),
    ],
)
async def test_a_service_that_lacks_a_right_ends_with_what_to_grant(
    service: str,
    lacks: tuple[acls.Operation, acls.ResourceType, str],
    demands: Demanding,
    processes: Processes,
) -> None:
    names = processes.names
    await prepare(demands, names)
    operation, resource, name = lacks[0], lacks[1], names.prefix + lacks[2]
    rights = acls.router(names) if service == "router" else acls.aggregator(names)
    (one,) = [acl for acl in rights if (acl.resource, acl.name) == (resource, name)]
    own = Acls(demands.bootstrap)
    await own.allow(service, rights)
    await own.take(service, [replace(one, operations=(operation,))])
    said = ended_with(processes, service, processes.service(service, **demands.sasl(service)))
    possible = (operation, "Describe")
    assert any(f"User:{service} the operation {op} on {resource} {name}" in said for op in possible)


def test_a_service_with_a_wrong_password_ends(demands: Demanding, processes: Processes) -> None:
    given = demands.sasl("router") | {"COMITIA_SASL_PASSWORD": "wrong:s3cret"}
    said = ended_with(processes, "router", processes.service("router", **given))
    assert "COMITIA_SASL_USERNAME router with COMITIA_SASL_PASSWORD" in said


async def test_a_service_waits_for_its_token_endpoint_and_says_so(
    demands: Demanding, processes: Processes
) -> None:
    await prepare(demands, processes.names)
    first = free_ports(2)
    endpoint = TokenEndpoint(port=first, url=f"http://{HOST}:{first}/token")
    given = demands.oauth(**endpoint.settings())
    processes.service("router", **given, COMITIA_HTTP_PORT=str(first + 1))
    async with aiohttp.ClientSession() as session:
        said = await readiness(session, first + 1, f"{endpoint.url} gives no answer")
        assert said.startswith("503"), processes.output("router")
        processes.check()
        async with endpoint.serve():
            assert await readiness(session, first + 1, "200"), processes.output("router")
            processes.end("router")


async def readiness(session: aiohttp.ClientSession, port: int, expected: str) -> str:
    """Status and text of /readyz once `expected` is part of it; "" if it never is."""
    for _ in range(ATTEMPTS_MAX):
        try:
            async with session.get(f"http://{HOST}:{port}/readyz") as reply:
                said = f"{reply.status} {await reply.text()}"
        except aiohttp.ClientError:
            said = ""
        if expected in said:
            return said
        await asyncio.sleep(0.1)
    return ""
