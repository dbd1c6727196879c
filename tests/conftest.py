"""Fixtures of the tests that need Apache Kafka itself: embedded, one for the whole session.

`broker` is the bootstrap string of one node, `broker3` a cluster of three whose nodes can be
killed; both start when the first test asks for them. Data goes to a temporary directory, jars come
from the normal cache. Tests share the broker, so they make topics, groups and transactional ids of
their own.
"""

import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from comitia.broker import HOST, BrokerSettings, EmbeddedBroker
from comitia.config import DirectorySettings, load


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """The user's cache, so that the jars are fetched once and not by every run."""
    return load(DirectorySettings).cache_dir


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Iterator[str]:
    """Bootstrap address of one node."""
    settings = BrokerSettings(tmp_path_factory.mktemp("kafka"), cache_dir, free_ports(2))
    with EmbeddedBroker(settings) as running:
        yield running.bootstrap


@pytest.fixture(scope="session")
def broker3(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Iterator[EmbeddedBroker]:
    """Three nodes, replication factor 3, two in sync; a test that kills one starts it again."""
    state = tmp_path_factory.mktemp("kafka3")
    with EmbeddedBroker(BrokerSettings(state, cache_dir, free_ports(6), nodes=3)) as running:
        yield running


def free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that are free now, below the ranges that systems hand
    out by themselves.
    """
    for _ in range(200):
        first = random.SystemRandom().randrange(20_000, 30_000)
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise RuntimeError("no free ports between 20000 and 30000")


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex((HOST, port)) != 0
