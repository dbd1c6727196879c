"""aiokafka's errors turned into Comitia's, at the edge. In comes what aiokafka raised while
something was done, out goes what the caller is to do about it: Retryable, Fenced, Poison or
ConfigError, with a message that says what to change.

Every class of aiokafka.errors stands in exactly one of the tables; a test fails when a new release
adds one that does not.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka import errors as kafka

from comitia.errors import ComitiaError, ConfigError, Fenced, Poison, Retryable, Superseded


class FencedInstanceIdError(kafka.BrokerResponseError):  # type: ignore[misc]
    """Another member of the group has this member's group.instance.id. aiokafka 0.14.0 does not
    know the broker's code and would only speak of an unknown error.
    """

    errno = 82
    message = "FENCED_INSTANCE_ID"
    description = "Another process has joined the group under this instance id"


kafka.kafka_errors.setdefault(FencedInstanceIdError.errno, FencedInstanceIdError)

# The writer is dead: aiokafka leaves it unusable, or the broker does not know it any more.
FENCED: frozenset[type[Exception]] = frozenset(
    {
        kafka.ProducerFenced,
        kafka.InvalidProducerEpoch,
        kafka.InvalidProducerIdMapping,
        kafka.InvalidTxnState,
        kafka.OutOfOrderSequenceNumber,
        kafka.TransactionCoordinatorFenced,
        kafka.UnknownProducerId,
        # aiokafka says this of a producer that died before; our writer checks for the caller's own
        # mistakes itself.
        kafka.IllegalOperation,
    }
)

TOO_LARGE: frozenset[type[Exception]] = frozenset(
    {kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError}
)

POISON: frozenset[type[Exception]] = frozenset({kafka.InvalidTimestampError})

# What to change, by error. Each needs a person.
CONFIG: dict[type[Exception], str] = {
    kafka.AuthenticationFailedError: "check the user and password",
    kafka.AuthenticationMethodNotSupported: "check the security settings of the address",
    kafka.ClusterAuthorizationFailedError: "grant this user the right on the cluster",
    kafka.DelegationTokenAuthDisabled: "check the security settings",
    kafka.DelegationTokenAuthorizationFailed: "check the security settings",
    kafka.DelegationTokenExpired: "renew the delegation token",
    kafka.DelegationTokenNotFound: "check the delegation token",
    kafka.DelegationTokenOwnerMismatch: "check the delegation token",
    kafka.DelegationTokenRequestNotAllowed: "check the security settings",
    kafka.GroupAuthorizationFailedError: "grant this user READ on the consumer group",
    kafka.IllegalArgumentError: "a setting of the client is wrong",
    kafka.IllegalSaslStateError: "check the security settings",
    kafka.IncompatibleBrokerVersion: "use Apache Kafka 2.5 or newer",
    kafka.InconsistentGroupProtocolError: (
        "change COMITIA_PREFIX: others than Comitia are members of this group"
    ),
    kafka.InvalidConfigurationError: "a setting of the topic is not valid",
    kafka.InvalidGroupIdError: "change COMITIA_PREFIX: the group's name is not valid",
    kafka.InvalidPartitionsError: "the number of partitions is not valid",
    kafka.InvalidPrincipalType: "check the security settings",
    kafka.InvalidReplicationAssignmentError: "the replicas' assignment is not valid",
    kafka.InvalidReplicationFactorError: "set COMITIA_REPLICATION to at most the number of brokers",
    kafka.InvalidRequestError: "the broker does not understand this client",
    kafka.InvalidRequiredAcksError: "the broker does not accept acks=all",
    kafka.InvalidSessionTimeoutError: (
        "set COMITIA_SESSION_TIMEOUT_MS between the broker's group.min.session.timeout.ms and"
        " group.max.session.timeout.ms"
    ),
    kafka.InvalidTopicError: "change COMITIA_PREFIX: the topic's name is not valid",
    kafka.InvalidTransactionTimeout: "raise the broker's transaction.max.timeout.ms",
    kafka.InvalidCommitOffsetSizeError: "raise the broker's offset.metadata.max.bytes",
    kafka.KafkaConfigurationError: "a setting of the client is wrong",
    kafka.ListenerNotFound: "the brokers' listeners do not match: check advertised.listeners",
    kafka.LogDirNotFound: "the broker lost a log directory",
    kafka.NoOffsetForPartitionError: "no position is known",
    kafka.OffsetMetadataTooLargeError: "raise the broker's offset.metadata.max.bytes",
    kafka.PolicyViolationError: "the cluster's policy refuses this topic's settings",
    kafka.RecordTooLargeError: "a record is larger than one fetch: raise the fetch size",
    kafka.SaslAuthenticationFailed: "check the user and password",
    kafka.SecurityDisabled: "the broker has no authorizer",
    kafka.TopicAuthorizationFailedError: "grant this user READ, WRITE and DESCRIBE on the topic",
    kafka.TransactionalIdAuthorizationFailed: "grant this user WRITE on the transactional id",
    kafka.UnrecognizedBrokerVersion: "use Apache Kafka 2.5 or newer",
    kafka.UnsupportedCodecError: "the record's compression needs another library: install cramjam",
    kafka.UnsupportedForMessageFormatError: "the topic's message format is too old",
    kafka.UnsupportedSaslMechanismError: "check the security settings",
    kafka.UnsupportedVersionError: "use Apache Kafka 2.5 or newer",
}

# The kind of resource on which an ACL is missing.
UNAUTHORIZED: dict[type[BaseException], str] = {
    kafka.ClusterAuthorizationFailedError: "cluster",
    kafka.GroupAuthorizationFailedError: "group",
    kafka.TopicAuthorizationFailedError: "topic",
    kafka.TransactionalIdAuthorizationFailed: "transactional-id",
}

RETRYABLE: frozenset[type[Exception]] = frozenset(
    {
        kafka.BrokerNotAvailableError,
        kafka.BrokerResponseError,
        kafka.Cancelled,
        kafka.CommitFailedError,
        kafka.ConcurrentTransactions,
        kafka.ConsumerStoppedError,
        kafka.CorrelationIdError,
        # Of a record whose checksum is wrong: it is fetched again.
        kafka.CorruptRecordException,
        kafka.DuplicateSequenceNumber,
        kafka.FetchSessionIdNotFound,
        kafka.GroupCoordinatorNotAvailableError,
        kafka.GroupIdNotFound,
        kafka.GroupLoadInProgressError,
        kafka.IllegalGenerationError,
        # Of a partition that a rebalance has taken away.
        kafka.IllegalStateError,
        kafka.InvalidFetchRequestError,
        kafka.InvalidFetchSessionEpoch,
        kafka.KafkaConnectionError,
        kafka.KafkaError,
        kafka.KafkaProtocolError,
        kafka.KafkaStorageError,
        kafka.KafkaTimeoutError,
        kafka.KafkaUnavailableError,
        kafka.LeaderNotAvailableError,
        kafka.MemberIdRequired,
        kafka.MetadataEmptyBrokerList,
        kafka.NoBrokersAvailable,
        kafka.NodeNotReadyError,
        kafka.NonEmptyGroup,
        kafka.NotControllerError,
        kafka.NotCoordinatorForGroupError,
        kafka.NotEnoughReplicasAfterAppendError,
        kafka.NotEnoughReplicasError,
        kafka.NotLeaderForPartitionError,
        kafka.OffsetOutOfRangeError,
        kafka.OperationNotAttempted,
        kafka.ProducerClosed,
        kafka.QuotaViolationError,
        kafka.ReassignmentInProgress,
        kafka.RebalanceInProgressError,
        kafka.ReplicaNotAvailableError,
        kafka.RequestTimedOutError,
        kafka.StaleControllerEpochError,
        kafka.StaleLeaderEpochCodeError,
        kafka.StaleMetadata,
        kafka.TooManyInFlightRequests,
        kafka.TopicAlreadyExistsError,
        kafka.UnknownError,
        kafka.UnknownMemberIdError,
        # A topic that was there when we looked; it may come back with the next metadata.
        kafka.UnknownTopicOrPartitionError,
        kafka.NoError,
    }
)

# What aiokafka's calls may raise; TimeoutError is asyncio's, OSError the network's.
RAISED = (
    kafka.KafkaError, kafka.ConsumerStoppedError, kafka.IllegalOperation, TimeoutError, OSError,
)  # fmt: skip

# So uvloop says, where others raise an OSError, that the connection was closed before the write.
CLOSED = "the handler is closed"


def translate(error: BaseException, doing: str) -> ComitiaError:
    """The error to raise instead of `error`, which came while `doing` (a phrase: "reading tasks
    from host:9092").
    """
    if isinstance(error, ComitiaError):
        return error
    kind = type(error)
    name = kind.__name__
    # aiokafka's own texts begin with the name already.
    detail = str(error) if name in str(error) else f"{name}: {error}" if str(error) else name
    # Where a group's member meets it, aiokafka passes on its name alone.
    if FencedInstanceIdError.__name__ in detail:
        return Superseded(
            f"{doing}: another process has joined the group in this one's place: give each process"
            f" a COMITIA_INSTANCE_ID of its own ({detail})"
        )
    if kind in FENCED:
        return Fenced(f"{doing}: the writer is fenced ({detail}); take over again with a new one")
    if kind in TOO_LARGE:
        return Poison(
            f"{doing}: the record exceeds the topic's max.message.bytes ({detail})", "TOO_LARGE"
        )
    if kind in POISON:
        return Poison(f"{doing}: the broker refuses the record ({detail})", "REFUSED")
    if kind in CONFIG:
        return ConfigError(f"{doing}: {CONFIG[kind]} ({detail})")
    return Retryable(f"{doing}: {detail}")


@contextmanager
def mapped(doing: str) -> Iterator[None]:
    """Turn what aiokafka raises inside into Comitia's errors."""
    try:
        yield
    except RAISED as error:
        raise translate(error, doing) from error
    except RuntimeError as error:
        if CLOSED not in str(error):
            raise
        raise translate(error, doing) from error
