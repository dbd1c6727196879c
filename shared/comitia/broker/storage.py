"""A broker's folder, made ready: room on the disk, a cluster id that stays, configuration, and data
directories formatted once.

broker/cluster.json         cluster id and number of nodes, written first and kept
broker/node-<i>/            server.properties and log4j2.properties (written at every start), logs,
data/, formatted
"""

import base64
import json
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from comitia.broker import properties
from comitia.broker.explain import explain
from comitia.broker.java import Java
from comitia.broker.settings import STATE_SETTING, BrokerSettings
from comitia.errors import ConfigError

# Less is not enough for internal topics, indices and a day's work; a broker that meets a full disk
# dies.
FREE_BYTES_MIN = 256 << 20
FORMAT_TIMEOUT_S = 120


@dataclass(frozen=True)
class Installation:
    """What runs a broker: the Java and the verified jars of Apache Kafka, in the order of the class
    path.
    """

    java: Java
    jars: tuple[Path, ...]

    def command(self, options: tuple[str, ...], main_class: str, *arguments: str) -> list[str]:
        """A command line that runs a class of Apache Kafka."""
        class_path = ":".join(str(jar) for jar in self.jars)
        return [str(self.java.path), *options, "-cp", class_path, main_class, *arguments]


def prepare(settings: BrokerSettings, installation: Installation) -> None:
    """Make every node's folder ready to start. Raises ConfigError when disk, rights or earlier data
    do not allow it.
    """
    if "," in str(settings.home):
        raise ConfigError(
            f"Apache Kafka cannot keep data in {settings.home}: no commas, please ({STATE_SETTING})"
        )
    try:
        cluster_id = _cluster_id(settings)
        _room(settings.home)
        for node in range(settings.nodes):
            settings.node_dir(node).mkdir(exist_ok=True)
            _write_configuration(settings, node)
            _format(settings, node, cluster_id, installation)
    except OSError as error:
        raise ConfigError(
            f"cannot keep Apache Kafka's data in {settings.home}: {error.strerror}. Make the "
            f"directory writable, free some"
            f" disk space, or set {STATE_SETTING} to another directory."
        ) from error


def _cluster_id(settings: BrokerSettings) -> str:
    path = settings.home / "cluster.json"
    if path.exists():
        entry = json.loads(path.read_text(encoding="utf-8"))
        if entry["nodes"] != settings.nodes:
            raise ConfigError(
                f"{settings.home} holds a broker of {entry['nodes']} nodes, not of "
                f"{settings.nodes}: the number is fixed"
                f" when the data is made. Set {STATE_SETTING} to another directory."
            )
        return str(entry["cluster_id"])
    cluster_id = _new_cluster_id()
    scratch = path.with_suffix(".tmp")
    scratch.write_text(
        json.dumps({"cluster_id": cluster_id, "nodes": settings.nodes}), encoding="utf-8"
    )
    scratch.replace(path)
    return cluster_id


def _new_cluster_id() -> str:
    # As kafka-storage random-uuid makes them: 22 characters; a leading dash would read as an
    # option.
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]).startswith("-"):
        pass
    return text


def _room(home: Path) -> None:
    free = shutil.disk_usage(home).free
    if free < FREE_BYTES_MIN:
        raise ConfigError(
            f"only {free >> 20} MiB are free on the disk of {home}; Apache Kafka needs "
            f"{FREE_BYTES_MIN >> 20} MiB to work"
            f" in. Free some space, or set {STATE_SETTING} to a directory on another disk."
        )


def _write_configuration(settings: BrokerSettings, node: int) -> None:
    properties.properties_file(settings, node).write_text(
        properties.server_properties(settings, node), encoding="ascii"
    )
    properties.log4j_file(settings, node).write_text(
        properties.log4j_properties(properties.log_file(settings, node)), encoding="ascii"
    )


def _format(
    settings: BrokerSettings, node: int, cluster_id: str, installation: Installation
) -> None:
    done = settings.node_dir(node) / "formatted"
    if done.exists():
        return
    output = properties.output_file(settings, node)
    command = installation.command(
        # A second's work: no time for the optimising compiler.
        ("-XX:TieredStopAtLevel=1", *properties.jvm_options(settings, node)),
        "kafka.tools.StorageTool",
        "format",
        "--ignore-formatted",  # a former attempt may have been cut off
        f"--cluster-id={cluster_id}",
        f"--config={properties.properties_file(settings, node)}",
        *(f"--add-scram={user}" for user in settings.scram),
    )
    with output.open("wb") as stream:
        status = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            timeout=FORMAT_TIMEOUT_S,
            check=False,
        ).returncode
    if status != 0:
        files = (output, properties.log_file(settings, node))
        raise ConfigError(
            f"Apache Kafka's data directory was not made: {explain(settings.node_dir(node), files)}"
        )
    done.touch()
