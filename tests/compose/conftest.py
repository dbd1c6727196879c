"""One stack for all scenarios of the session; each scenario leaves it healthy."""

from collections.abc import Iterator

import pytest

from tests.compose.compose_load import Load, Outcome
from tests.compose.compose_stack import Stack, missing


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything that docker-compose.yml starts without a profile, healthy."""
    why = missing()
    if why is not None:
        pytest.skip(why)
    running = Stack(tmp_path_factory.mktemp("compose"))
    try:
        running.up()
        yield running
    finally:
        running.down()


@pytest.fixture(scope="session")
def outcome(stack: Stack) -> Iterator[Outcome]:
    """What was decided on `stack`."""
    reading = Outcome(stack.bootstrap)
    yield reading
    reading.close()


@pytest.fixture(scope="session")
def loads() -> list[Load]:
    """Every load that was put on `stack`, for the checker."""
    return []
