"""What `comitia doctor` makes of a cluster's answers: releases and settings that differ."""

import pytest

from comitia.ports import TopicSpec
from comitia.runtime.inspect import differences, release_of


@pytest.mark.parametrize(
    ("level", "release"),
    [(6, "older than 3.3"), (7, "3.3"), (10, "3.5"), (27, "4.1"), (28, "newer than 4.1")],
)
def test_release_is_told_from_the_highest_metadata_version(level: int, release: str) -> None:
    assert release_of(level) == release


def test_differences_name_setting_found_and_wanted() -> None:
    found = TopicSpec("t", 4, 3, {"cleanup.policy": "delete", "retention.ms": "1", "other": "x"})
    wanted = {"cleanup.policy": "delete", "retention.ms": "2", "max.message.bytes": "3"}
    assert differences(found, wanted) == (
        ("max.message.bytes", "?", "3"),
        ("retention.ms", "1", "2"),
    )
