"""What `comitia doctor` makes of a cluster's answers: which release it runs."""

import pytest

from comitia.runtime.inspect import release_of


@pytest.mark.parametrize(
    ("level", "release"),
    [(6, "older than 3.3"), (7, "3.3"), (10, "3.5"), (27, "4.1"), (28, "newer than 4.1")],
)
def test_release_is_told_from_the_highest_metadata_version(level: int, release: str) -> None:
    assert release_of(level) == release
