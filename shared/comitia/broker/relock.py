"""Writes `jgo.lock.toml`: `python -m comitia.broker.relock` resolves Apache Kafka with jgo and
records every jar's SHA-256.

For maintainers who move to another version of Apache Kafka; needs the network. Nothing at run time
imports it.
"""

import tempfile
import tomllib
from pathlib import Path

import tomli_w
from jgo.env import LockFile
from jgo.maven import MavenContext

from comitia.broker.jars import LOCK

KAFKA = "4.1.1"
# Apache Kafka speaks slf4j 1.7, for which log4j-slf4j-impl is the binding; its POM does not name
# one. The "!" keeps log4j's own dependency management out: it would put Kafka's client library back
# to 3.8.
COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3!",
)


def main() -> None:
    """Resolve into an empty repository and write the lock."""
    with tempfile.TemporaryDirectory() as scratch:
        context = MavenContext(repo_cache=Path(scratch), timeout=30)
        inputs, transitive = context.resolver.resolve(
            [context.create_dependency(coordinate) for coordinate in COORDINATES]
        )
        needed = [*inputs, *(dep for dep in transitive if dep.scope in ("compile", "runtime"))]
        LockFile.from_resolved_dependencies(needed).save(LOCK)
        data = tomllib.loads(LOCK.read_text(encoding="utf-8"))
        for entry, dependency in zip(data["dependencies"], needed, strict=True):
            entry["size"] = dependency.artifact.resolve().stat().st_size
            if entry["groupId"] == "org.apache.kafka" and entry["version"] != KAFKA:
                raise SystemExit(
                    f"{entry['artifactId']} resolved to {entry['version']}, not {KAFKA}"
                )
    # The moment of writing would make every relock a difference.
    data["metadata"].pop("generated")
    LOCK.write_text(tomli_w.dumps(data), encoding="utf-8")


if __name__ == "__main__":
    main()
