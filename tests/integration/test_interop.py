"""Clients that are not ours: any Kafka client and the .proto files are enough to use Comitia."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.panel_support import ROOT, Client, Processes

PROTO = ROOT / "proto"
TASK_TEXT = """
id: "from-kcat"
skill: "nobody-has-it"
timeout_ms: 20000
input { text: "Does anybody hear me?" }
format { choice { options { id: "yes" } options { id: "no" } } }
"""


@pytest.fixture
def processes(tmp_path: Path, broker: str, cache_dir: Path) -> Processes:
    return Processes(tmp_path, broker, cache_dir)


def run(command: list[str], given: bytes = b"", env: dict[str, str] | None = None) -> bytes:
    """Standard output of a command that must succeed, given `given` on its standard input."""
    done = subprocess.run(command, input=given, capture_output=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_topics(processes: Processes) -> None:
    async def make() -> None:
        await (await Client.open(processes)).close()

    asyncio.run(make())


def test_a_librdkafka_client_with_classes_from_the_protos_joins_asks_and_reads(
    processes: Processes, tmp_path: Path
) -> None:
    generated = tmp_path / "generated"
    generated.mkdir()
    protos = [str(path) for path in sorted((PROTO / "comitia" / "v1").glob("*.proto"))]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"--python_out={generated}"]
    run([*protoc, *protos])
    make_topics(processes)
    with processes:
        processes.service("router")
        processes.service("aggregator")
        script = Path(__file__).parent / "foreign" / "panel.py"
        shown = run(
            [sys.executable, str(script), processes.bootstrap, processes.names.prefix, "foreign"],
            env={"PYTHONPATH": str(generated)},
        )
    answer = json.loads(shown)
    decision, headers = answer["decision"], answer["headers"]
    assert decision["status"] == "DECISION_STATUS_DECIDED"
    assert decision["value"] == {"optionId": "first"}
    assert [ballot["agent"] for ballot in decision["ballots"]] == ["stranger"]
    assert headers["content-type"] == "application/protobuf"
    assert headers["ce_type"] == "comitia.v1.Decision"
    assert headers["ce_specversion"] == "1.0"


def test_bytes_of_protoc_sent_by_kcat_become_a_decision(
    processes: Processes, tmp_path: Path
) -> None:
    kcat = shutil.which("kcat")
    if kcat is None:
        pytest.skip("kcat is not installed (Debian: apt-get install kcat)")
    encode = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}"]
    encode += ["--encode=comitia.v1.Task", "comitia/v1/task.proto"]
    message = tmp_path / "task.bin"
    message.write_bytes(run(encode, TASK_TEXT.encode()))
    make_topics(processes)
    names, address = processes.names, ["-b", processes.bootstrap, "-q"]
    with processes:
        processes.service("router")
        processes.service("aggregator")
        run([kcat, *address, "-P", "-k", "from-kcat", "-t", names.topic("tasks"), str(message)])
        read = [kcat, *address, "-C", "-o", "beginning", "-c", "1", "-f", "%s"]
        decided = run([*read, "-t", names.topic("decisions")])
    decode = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}"]
    decode += ["--decode=comitia.v1.Decision", "comitia/v1/decision.proto"]
    text = run(decode, decided)
    assert b'task_id: "from-kcat"' in text
    assert b"DECISION_STATUS_NO_AGENT" in text
