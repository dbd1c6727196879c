"""The files that Apache Kafka reads at start, and the options of its JVM, made from the settings.

Pure: settings in, text and arguments out. Sized for a laptop that runs the broker beside
transformer models: little heap, few partitions, bounded disk. Names as in
https://kafka.apache.org/41/configuration/broker-configs.
"""

from pathlib import Path

from comitia.broker.settings import HOST, BrokerSettings

MIB = 1 << 20
# Dead letters carry the original message with its story, so the broker takes more than any other
# topic needs.
MESSAGE_BYTES_MAX = 16 * MIB
INTERNAL_PARTITIONS = 4


def server_properties(settings: BrokerSettings, node: int) -> str:
    """`server.properties` of one node."""
    entries = {
        **_place(settings, node),
        **_replication(settings.nodes),
        **_bounds(),
        "auto.create.topics.enable": "false",
        "num.partitions": "4",
        # Nobody waits for members that might come: joining takes 0.4 s instead of several.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # A dead owner's open transaction is noticed within a second after its timeout instead of
        # within ten.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        **settings.extra,
    }
    return "".join(f"{key}={escaped(value)}\n" for key, value in entries.items())


def escaped(value: str) -> str:
    """A value as Java's properties want it: Latin-1 at most, everything else and the backslash as
    an escape.
    """
    utf16 = value.replace("\\", "\\\\").encode("utf-16-be")
    units = (int.from_bytes(utf16[at : at + 2]) for at in range(0, len(utf16), 2))
    return "".join(chr(unit) if unit < 128 else f"\\u{unit:04x}" for unit in units)


def _place(settings: BrokerSettings, node: int) -> dict[str, str]:
    client = f"PLAINTEXT://{HOST}:{settings.client_port(node)}"
    voters = ",".join(f"{i}@{HOST}:{settings.controller_port(i)}" for i in range(settings.nodes))
    return {
        "process.roles": "broker,controller",
        "node.id": str(node),
        "controller.quorum.voters": voters,
        "listeners": f"{client},CONTROLLER://{HOST}:{settings.controller_port(node)}",
        "advertised.listeners": client,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data_dir(settings, node)),
    }


def _replication(nodes: int) -> dict[str, str]:
    copies, in_sync = str(nodes), str(max(1, nodes - 1))
    entries = {"default.replication.factor": copies, "min.insync.replicas": in_sync}
    for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
        entries[f"{topic}.num.partitions"] = str(INTERNAL_PARTITIONS)
        entries[f"{topic}.replication.factor"] = copies
        entries[f"{topic}.segment.bytes"] = str(8 * MIB)
    for topic in ("transaction.state.log", "share.coordinator.state.topic"):
        entries[f"{topic}.min.isr"] = in_sync
    # A killed node comes back, or is replaced by the others, once its session is over; the default
    # of 9 s is for clusters that a network may cut.
    return entries | {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}


def _bounds() -> dict[str, str]:
    return {
        "message.max.bytes": str(MESSAGE_BYTES_MAX),
        "replica.fetch.max.bytes": str(MESSAGE_BYTES_MAX),
        # A partition keeps at most this much and a segment more; topics may ask for less.
        "log.retention.bytes": str(256 * MIB),
        "log.retention.hours": "168",
        "log.retention.check.interval.ms": "60000",
        "log.segment.bytes": str(32 * MIB),
        "log.index.size.max.bytes": str(1 * MIB),
        # The default, 128 MiB, would be a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": str(16 * MIB),
        "metadata.log.segment.bytes": str(8 * MIB),
        "metadata.max.retention.bytes": str(32 * MIB),
    }


def log4j_properties(log_file: Path) -> str:
    """The Log4j 2 configuration: one file of at most 8 MiB, two older ones kept."""
    path = escaped(str(log_file))
    return f"""\
status=error
rootLogger.level=info
rootLogger.appenderRef.file.ref=file
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={path}
appender.file.filePattern={path}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %m (%c)%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=8MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
"""


def data_dir(settings: BrokerSettings, node: int) -> Path:
    return settings.node_dir(node) / "data"


def properties_file(settings: BrokerSettings, node: int) -> Path:
    return settings.node_dir(node) / "server.properties"


def log4j_file(settings: BrokerSettings, node: int) -> Path:
    return settings.node_dir(node) / "log4j2.properties"


def log_file(settings: BrokerSettings, node: int) -> Path:
    """What the node says of itself, through Log4j."""
    return settings.node_dir(node) / "server.log"


def output_file(settings: BrokerSettings, node: int) -> Path:
    """What its JVM says before Log4j listens, or when it dies."""
    return settings.node_dir(node) / "output.log"


def jvm_options(settings: BrokerSettings, node: int) -> tuple[str, ...]:
    """The options of a node's JVM: 512 MiB of heap, the collector with the smallest footprint."""
    return (
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={log4j_file(settings, node)}",
    )
