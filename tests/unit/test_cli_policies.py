"""What `redecide` is asked for: policies, times, and the intervals that it answers with."""

from pathlib import Path

import pytest
import typer

from comitia.errors import ConfigError
from comitia.v1.policy_pb2 import METHOD_BORDA, METHOD_LEARNED, METHOD_PLURALITY, Policy
from comitia_cli.client.policies import read_change
from comitia_cli.intervals import paired
from comitia_cli.options import parse_since_ms

RECORDED = Policy(method=METHOD_PLURALITY, wait_for_all=True, quorum=3, seats_max=5)


def test_what_is_not_named_stays() -> None:
    changed = read_change("learned").on(RECORDED)
    assert changed == Policy(method=METHOD_LEARNED, wait_for_all=True, quorum=3, seats_max=5)
    assert read_change("").on(RECORDED) == RECORDED


def test_a_field_can_be_set_back(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("method: borda\nwait_for_all: false\n")
    for given in (str(file), '{"method": "METHOD_BORDA", "waitForAll": false}'):
        changed = read_change(given).on(RECORDED)
        assert changed == Policy(method=METHOD_BORDA, quorum=3, seats_max=5)


def test_steps_are_replaced_as_a_whole_and_can_be_taken_away() -> None:
    recorded = Policy()
    recorded.steps.add().judge.SetInParent()
    changed = read_change('{"steps": [{"deliberation": {"rounds": 2}}]}').on(recorded)
    assert [step.WhichOneof("kind") for step in changed.steps] == ["deliberation"]
    assert not read_change('{"steps": []}').on(recorded).steps
    example = Path(__file__).parents[2] / "examples" / "policies" / "offer.yaml"
    assert len(read_change(str(example)).on(recorded).steps) == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("lerned", "neither a file nor a method; those are plurality, "),
        ('{"method": "lerned"}', "those are plurality"),
        ('{"metod": "learned"}', "metod"),
        ('{"method":', "--policy"),
        ('{"samples": 3}', "samples cannot be changed"),
        ('{"seatsMax": 3}', "seats_max cannot be changed"),
        ('{"stages": [{"name": "solve"}]}', "stages cannot be changed"),
        ('{"steps": [{"deliberation": {"rounds": 3}}]}', r"steps\[0\].deliberation.rounds: 3 are"),
    ],
)
def test_what_is_no_policy_is_told(given: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_change(given)


def test_a_time_is_a_duration_ago_or_a_date() -> None:
    assert parse_since_ms("30m", 10_000_000) == 8_200_000
    assert parse_since_ms("1970-01-01T00:01+00:00", 0) == 60_000
    with pytest.raises(typer.BadParameter, match="30m or 24h"):
        parse_since_ms("yesterday", 0)


def test_the_paired_interval_is_that_of_bonett_and_price() -> None:
    """By hand: n = 100, 12 gained, 5 lost: p = 13/102, q = 6/102, d = 7/102."""
    low, high = paired(12, 5, 100)
    assert (low, high) == pytest.approx((-0.014065, 0.151320), abs=1e-6)
    assert paired(0, 0, 0) == (-1.0, 1.0)
