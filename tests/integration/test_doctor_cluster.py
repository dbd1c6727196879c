"""`comitia doctor` on a real cluster that does not give what exactly-once decisions need."""

import json
import uuid

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition as KafkaPartition
from typer.testing import CliRunner

from comitia.config import KafkaSettings, load
from comitia.ports import Outgoing, TopicPartition
from comitia.topics import Names
from comitia_cli.client.guarantees import Guarantees, guarantees
from comitia_cli.commands.doctor import _cluster
from comitia_cli.main import app
from comitia_cli.shell import Session, Shell, open_kafka
from tests.integration.kafka_proxy import KafkaProxy

END_TRANSACTION = 26


async def looked_at(bootstrap: str, prefix: str) -> Guarantees | None:
    settings = load(KafkaSettings, {"bootstrap": bootstrap, "prefix": prefix})
    log = await open_kafka(settings)
    try:
        return await guarantees(Session(log, Names(prefix), settings))
    finally:
        await log.close()


async def test_a_log_whose_first_records_were_removed_is_found(broker: str) -> None:
    prefix = f"{uuid.uuid4().hex}."
    names = Names(prefix)
    assert await looked_at(broker, prefix) is None
    log = await open_kafka(load(KafkaSettings, {"bootstrap": broker, "prefix": prefix}))
    await log.create(names.specs())
    writer = await log.writer()
    decisions, heartbeats = names.topic("decisions"), names.topic("heartbeats")
    for number in range(5):
        await (await writer.send(Outgoing(decisions, b"", str(number).encode(), partition=2)))
    await (await writer.send(Outgoing(heartbeats, b"", b"router")))
    await writer.close()
    await log.close()
    whole = await looked_at(broker, prefix)
    assert whole is not None
    assert whole.beginnings == []
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.delete_records({KafkaPartition(decisions, 2): RecordsToDelete(before_offset=3)})
    await admin.close()
    cut = await looked_at(broker, prefix)
    assert cut is not None
    (one,) = cut.beginnings
    assert (one.tp, one.offset) == (TopicPartition(decisions, 2), 3)
    assert 0 <= one.age_ms < 60_000


async def test_a_cluster_without_transactions_is_wrong_unless_delivery_does_without(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with KafkaProxy(broker, frozenset({END_TRANSACTION})) as proxy:
        (found,) = [f for f in await _cluster(Shell(), proxy.address) if f.name == "transactions"]
        assert found.verdict == "wrong"
        assert "does not offer EndTxn" in found.words
        assert "COMITIA_DELIVERY=at-least-once" in found.words
        monkeypatch.setenv("COMITIA_DELIVERY", "at-least-once")
        (found,) = [f for f in await _cluster(Shell(), proxy.address) if f.name == "transactions"]
        assert found.verdict == "note"


def test_before_topics_exist_the_cluster_alone_is_found_fit(broker: str) -> None:
    env = {"COMITIA_BOOTSTRAP": broker, "COMITIA_PREFIX": f"{uuid.uuid4().hex}."}
    done = CliRunner().invoke(app, ["doctor", "--cluster"], env=env)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["area"] for row in rows} == {"cluster", "topics"}
    assert ("existence", "note") in {(row["name"], row["verdict"]) for row in rows}


def test_a_cluster_that_does_not_answer_is_wrong() -> None:
    env = {"COMITIA_BOOTSTRAP": "127.0.0.1:1"}
    done = CliRunner().invoke(app, ["doctor", "--cluster"], env=env)
    assert done.exit_code == 1
    (row,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert row["verdict"] == "wrong"
    assert "127.0.0.1:1" in row["words"]
