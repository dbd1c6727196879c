"""Whether a broker has transactions, told apart from transactions that are only not ready yet.

In comes a transactional producer just started, or the error that its start ended with; out goes
nothing, or what to raise: ConfigError where the broker offers no transactions (waiting would not
help), Retryable where its transaction coordinator is not available, which is waited for.
"""

from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka

from comitia.errors import ComitiaError, ConfigError, Retryable
from comitia.runtime.kafka_client import KafkaClient, Right

# What a transaction is made of after InitProducerId, by API key of Kafka's protocol.
_NEEDED = {24: "AddPartitionsToTxn", 26: "EndTxn"}
_NOT_OFFERED = (
    kafka.IncompatibleBrokerVersion,
    kafka.InvalidRequestError,
    kafka.UnsupportedVersionError,
)
ADVICE = (
    "use Apache Kafka 2.5 or newer, or set COMITIA_DELIVERY=at-least-once, with which a crash may"
    " decide a task twice"
)


def require(producer: AIOKafkaProducer) -> None:
    """Raise aiokafka's IncompatibleBrokerVersion unless the brokers that a transactional producer
    is connected to offer all that a transaction needs.

    aiokafka itself would ask only in the first transaction, in the background, and die of it.
    """
    missing = {
        name
        for connection in producer.client._conns.values()
        for key, name in _NEEDED.items()
        if key not in connection._versions
    }
    if missing:
        raise kafka.IncompatibleBrokerVersion(
            f"the broker does not offer {', '.join(sorted(missing))}"
        )


def not_started(
    error: BaseException, transactional_id: str | None, client: KafkaClient, needs: Sequence[Right]
) -> ComitiaError:
    """What to raise instead of `error`, which ended a producer's start; `needs`: its rights."""
    if transactional_id is None:
        return client.translate(error, f"starting a writer at {client.bootstrap}", *needs)
    doing = f"starting a writer with transactional id {transactional_id} at {client.bootstrap}"
    # aiokafka wraps what the coordinator's lookup raised into its plainest class.
    cause = error.__cause__ if type(error) is kafka.KafkaError else None
    known = cause if isinstance(cause, kafka.KafkaError) else error
    # Without InitProducerId there is no idempotent writer either: no delivery can be kept.
    if isinstance(known, _NOT_OFFERED) and "InitProducerId" not in str(known):
        return ConfigError(f"{doing}: this broker has no transactions: {ADVICE} ({known})")
    if isinstance(known, TimeoutError):
        late = Retryable(
            f"{doing}: no transaction coordinator is available yet; if this lasts, compare the"
            " broker's transaction.state.log.replication.factor and transaction.state.log.min.isr"
            " with the number of brokers that run"
        )
        return client.security.blamed(late)
    return client.translate(known, doing, *needs)
