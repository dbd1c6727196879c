"""What aiokafka raises is turned into Comitia's errors at the edge, all of it."""

import asyncio
import inspect

import pytest
import uvloop
from aiokafka import errors as kafka

from comitia.errors import ConfigError, Fenced, Poison, Retryable
from comitia.runtime.kafka_client import KafkaClient, Right
from comitia.runtime.kafka_errors import (
    CONFIG,
    FENCED,
    POISON,
    RETRYABLE,
    TOO_LARGE,
    mapped,
    translate,
)

TABLES = (FENCED, TOO_LARGE, POISON, frozenset(CONFIG), RETRYABLE)


def aiokafkas_errors() -> set[type[Exception]]:
    return {
        found
        for _, found in inspect.getmembers(kafka, inspect.isclass)
        if issubclass(found, Exception) and found.__module__ == kafka.__name__
    }


def test_every_error_of_aiokafka_is_in_exactly_one_table() -> None:
    found = aiokafkas_errors()
    assert len(found) > 90
    assert {e.__name__: n for e in found if (n := sum(e in t for t in TABLES)) != 1} == {}
    assert {e.__name__ for table in TABLES for e in table if e not in found} == set()


def test_errors_that_kafka_calls_retriable_stay_retryable() -> None:
    # Of a topic with too few replicas in sync, a leader that moves, a coordinator that loads ...
    retriable = {e for e in aiokafkas_errors() if getattr(e, "retriable", False)}
    assert {e.__name__ for e in retriable if e not in RETRYABLE} == set()


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (kafka.KafkaConnectionError("refused"), Retryable, "writing to t: .*refused"),
        (kafka.NotLeaderForPartitionError(), Retryable, "NotLeaderForPartitionError"),
        (kafka.CommitFailedError("rebalanced"), Retryable, "rebalanced"),
        (kafka.ProducerFenced(), Fenced, "take over again with a new one"),
        (kafka.InvalidProducerEpoch(), Fenced, "fenced"),
        (kafka.MessageSizeTooLargeError(), Poison, r"max\.message\.bytes"),
        (kafka.TopicAuthorizationFailedError("t"), ConfigError, "grant this user"),
        (kafka.InvalidSessionTimeoutError(), ConfigError, "COMITIA_SESSION_TIMEOUT_MS"),
        (kafka.InvalidReplicationFactorError(), ConfigError, "COMITIA_REPLICATION"),
        (TimeoutError(), Retryable, "TimeoutError"),
        (ConnectionResetError("by peer"), Retryable, "by peer"),
    ],
)
def test_errors_say_what_to_do(error: Exception, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as caught, mapped("writing to t"):
        raise error
    assert caught.value.__cause__ is error


def test_fenced_is_told_from_other_passing_faults() -> None:
    assert type(translate(kafka.KafkaTimeoutError(), "x")) is Retryable
    assert type(translate(kafka.ProducerFenced(), "x")) is Fenced


def test_too_large_has_the_reason_of_its_dead_letter() -> None:
    error = translate(kafka.MessageSizeTooLargeError(), "x")
    assert isinstance(error, Poison)
    assert error.reason == "TOO_LARGE"


def test_a_connection_that_uvloop_finds_closed_is_a_passing_fault() -> None:
    """A request to a broker that has closed meanwhile must not end the process."""

    async def write_too_late() -> None:
        server = await asyncio.start_server(lambda _, there: there.close(), "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.close()
            await writer.wait_closed()
            with pytest.raises(Retryable), mapped("committing"):
                writer.transport.write(b"a request")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write_too_late())
    with pytest.raises(RuntimeError), mapped("committing"):
        raise RuntimeError("a bug of ours")


def test_comitias_own_errors_and_bugs_pass_as_they_are() -> None:
    own = ConfigError("as it was")
    assert translate(own, "x") is own
    with pytest.raises(ZeroDivisionError), mapped("x"):
        raise ZeroDivisionError


@pytest.mark.parametrize("topic", ["", "a, b", "b"])
@pytest.mark.parametrize("told", ["b", {"b"}])
def test_a_missing_right_names_the_topic_that_the_client_tells(topic: str, told: object) -> None:
    right = Right("Write", "topic", topic)
    error = KafkaClient("h:1").translate(kafka.TopicAuthorizationFailedError(told), "x", right)
    assert str(error).endswith("the operation Write on topic b")
