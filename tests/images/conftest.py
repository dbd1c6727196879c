"""Apache Kafka in a container, in place of the embedded broker of the other suites."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import free_ports
from tests.images.image_engine import need_image

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())
KAFKA = COMPOSE["services"]["kafka"]
START_S = 90


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """Bootstrap address of the image that docker-compose.yml runs, with its settings."""
    need_image(KAFKA["image"], f"`docker pull {KAFKA['image']}` gets it")
    # Its helper that tidies up after a killed run would have to be pulled; the block below tidies.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import PortWaitStrategy

    port = free_ports(1)
    listeners = {
        "KAFKA_LISTENERS": f"INSIDE://:19092,OUTSIDE://:{port},CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"INSIDE://localhost:19092,OUTSIDE://127.0.0.1:{port}",
    }
    container = DockerContainer(KAFKA["image"]).with_bind_ports(port, port)
    for name, value in {**KAFKA["environment"], **listeners}.items():
        container.with_env(name, str(value))
    container.waiting_for(PortWaitStrategy(port).with_startup_timeout(START_S))
    with container:
        yield f"127.0.0.1:{port}"
