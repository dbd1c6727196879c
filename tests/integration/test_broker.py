"""The embedded Apache Kafka at work: it serves, keeps its data, refuses a second owner, ends with
its owner, and says why it fails.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from comitia.broker import BrokerSettings, EmbeddedBroker, running, stop_running
from comitia.broker.identity import start_mark
from comitia.config import KafkaSettings, load
from comitia.errors import ConfigError
from comitia.runtime.inspect import inspect
from tests.conftest import free_ports

WAIT_S = 60


async def make_topic(bootstrap: str, replication: int = 1) -> str:
    name = f"test-{uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        reply = await admin.create_topics([NewTopic(name, 1, replication)])
        assert [code for _, code, *_ in reply.topic_errors] == [0]
    finally:
        await admin.close()
    return name


async def produce(bootstrap: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """The first `count` committed values of the topic."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(WAIT_S):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_transactions_commit_and_abort(broker: str) -> None:
    topic = await make_topic(broker)
    producer = AIOKafkaProducer(bootstrap_servers=broker, transactional_id=f"test-{uuid4().hex}")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted")
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed")
    finally:
        await producer.stop()
    assert await read(broker, topic, 1) == [b"committed"]


async def test_dead_letter_of_eight_mebibytes_is_taken(broker: str) -> None:
    topic = await make_topic(broker)
    producer = AIOKafkaProducer(bootstrap_servers=broker, max_request_size=16 << 20)
    await producer.start()
    try:
        await producer.send_and_wait(topic, bytes(8 << 20))
    finally:
        await producer.stop()


async def test_inspection_says_what_the_embedded_broker_is(broker: str) -> None:
    topic = await make_topic(broker)
    findings = await inspect(load(KafkaSettings, {"bootstrap": broker}))
    assert findings.brokers == 1
    assert findings.version == "4.1"
    assert findings.transactions_problem is None
    assert findings.acls is False
    assert findings.topics[topic].partitions == 1
    assert findings.topics[topic].replication == 1
    assert findings.topics[topic].config["message.timestamp.type"] == "CreateTime"
    assert findings.broker_config["auto.create.topics.enable"] == "false"


async def test_inspection_of_nothing_says_what_to_check() -> None:
    with pytest.raises(
        ConfigError, match=r"no Apache Kafka answers at 127\.0\.0\.1:9 .*--bootstrap"
    ):
        await inspect(load(KafkaSettings, {"bootstrap": "127.0.0.1:9"}))


class TestOwner:
    """A broker that runs, and what others may do with it."""

    @pytest.fixture(scope="class")
    def owned(
        self, tmp_path_factory: pytest.TempPathFactory, cache_dir: Path
    ) -> Iterator[EmbeddedBroker]:
        settings = BrokerSettings(tmp_path_factory.mktemp("own"), cache_dir, free_ports(2))
        with EmbeddedBroker(settings) as broker:
            yield broker

    def test_second_start_is_refused_and_the_first_goes_on(self, owned: EmbeddedBroker) -> None:
        with pytest.raises(ConfigError, match=rf"process {os.getpid()}\).*comitia down"):
            EmbeddedBroker(owned.settings).start()
        status = running(owned.settings.state_dir)
        assert status is not None
        assert status.answering
        assert (status.bootstrap, status.owner_pid) == (owned.bootstrap, os.getpid())
        assert status.pids == owned.pids
        assert owned.failure() is None

    def test_port_of_another_broker_is_refused_with_its_address(
        self, owned: EmbeddedBroker, tmp_path: Path
    ) -> None:
        port = owned.settings.port
        other = EmbeddedBroker(BrokerSettings(tmp_path, owned.settings.cache_dir, port))
        with pytest.raises(ConfigError, match=rf"port {port} .*--bootstrap {owned.bootstrap}"):
            other.start()
        assert running(tmp_path) is None

    def test_altered_jar_stops_the_start(self, cache_dir: Path, tmp_path: Path) -> None:
        jars = tmp_path / "kafka" / "jars"
        # The cache is filled by the broker that runs already, if it was not before.
        shutil.copytree(cache_dir / "kafka" / "jars", jars)
        jar = next(jars.glob("kafka-server-4*.jar"))
        content = bytearray(jar.read_bytes())
        content[len(content) // 2] ^= 1
        jar.write_bytes(content)
        with pytest.raises(ConfigError, match=rf"{jar.name} is not the file"):
            EmbeddedBroker(BrokerSettings(tmp_path, tmp_path, free_ports(2))).start()
        assert running(tmp_path) is None

    def test_somebody_else_may_stop_it(self, owned: EmbeddedBroker) -> None:
        assert stop_running(owned.settings.state_dir)
        assert owned.pids == (None,)
        assert not stop_running(owned.settings.state_dir)


async def test_crash_is_explained_and_a_start_without_network_brings_the_data_back(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = BrokerSettings(tmp_path, cache_dir, free_ports(2))
    records = settings.node_dir(0) / "process.json", settings.home / "owner.json"
    with EmbeddedBroker(settings) as first:
        topic = await make_topic(first.bootstrap)
        await produce(first.bootstrap, topic, b"kept")
        left_over = [record.read_text() for record in records]
        identity = (settings.home / "cluster.json").read_text()
        (pid,) = first.pids
        assert pid is not None
        psutil.Process(pid).kill()
        assert str(settings.node_dir(0)) in await_failure(first)
    # As if keeper and owner had been killed too: records whose pids now belong to others.
    for record, text in zip(records, left_over, strict=True):
        record.write_text(text.replace('"mark": "', '"mark": "older'))
    assert running(tmp_path) is None

    # Whoever asks the network now meets closed doors.
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    proxy = "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=9 -Dhttps.proxyHost=127.0.0.1"
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", f"{proxy} -Dhttps.proxyPort=9")
    with EmbeddedBroker(settings) as second:
        assert await read(second.bootstrap, topic, 1) == [b"kept"]
    assert (settings.home / "cluster.json").read_text() == identity


def test_broker_ends_with_a_killed_owner(tmp_path: Path, cache_dir: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from comitia.broker import *\n"
        "broker = EmbeddedBroker(BrokerSettings(Path(sys.argv[1]), Path(sys.argv[2]),"
        " int(sys.argv[3])))\n"
        "broker.start(); print(broker.pids[0], flush=True); sys.stdin.read()"
    )
    arguments = [str(tmp_path), str(cache_dir), str(free_ports(2))]
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.kill()
    wait_until_gone(pid)
    assert running(tmp_path) is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only Linux's root may mount one")
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(tmp_path)]
    if subprocess.run(command, check=False).returncode != 0:
        pytest.skip("may not mount here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


async def test_full_disk_is_named_as_the_reason(
    small_disk: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = BrokerSettings(small_disk, cache_dir, free_ports(2))
    with pytest.raises(ConfigError, match=r"only \d MiB are free"):
        EmbeddedBroker(settings).start()
    # Another program may fill the disk after that check.
    monkeypatch.setattr("comitia.broker.storage.FREE_BYTES_MIN", 0)
    with EmbeddedBroker(settings) as broker:
        with contextlib.suppress(OSError), (small_disk / "filler").open("wb") as filler:
            while True:
                filler.write(bytes(4096))
        with contextlib.suppress(KafkaError):
            await make_topic(broker.bootstrap)
        failure = await_failure(broker)
    assert "disk is full" in failure
    assert "COMITIA_STATE_DIR" in failure


async def test_three_nodes_survive_the_loss_of_one(broker3: EmbeddedBroker) -> None:
    topic = await make_topic(broker3.bootstrap, replication=3)
    await produce(broker3.bootstrap, topic, b"with three")
    broker3.kill(0)
    try:
        assert broker3.pids[0] is None
        await produce(broker3.bootstrap, topic, b"with two")
    finally:
        await asyncio.to_thread(broker3.start_node, 0)
    assert await read(broker3.bootstrap, topic, 2) == [b"with three", b"with two"]
    assert None not in broker3.pids


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + WAIT_S
    while start_mark(pid) is not None:
        assert time.monotonic() < end, f"process {pid} goes on"
        time.sleep(0.05)


def await_failure(broker: EmbeddedBroker) -> str:
    end = time.monotonic() + WAIT_S
    while (failure := broker.failure()) is None:
        assert time.monotonic() < end, "the broker goes on"
        time.sleep(0.05)
    return failure
