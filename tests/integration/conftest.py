"""A fixture that several tests of the wire share: a broker that demands TLS, a login and ACLs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.wire_support import Demanding, demanding


@pytest.fixture(scope="session")
def demands(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Iterator[Demanding]:
    """One for all: tests have prefixes of their own, and set the ACLs that they need."""
    folder = tmp_path_factory.mktemp("wire")
    with demanding(folder / "kafka", cache_dir, folder) as running:
        yield running
