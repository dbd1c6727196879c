"""The elections of the rankings' benchmark: read as PrefLib writes them, drawn with ties and gaps,
and counted with what a ballot leaves out at its end.
"""

import random
from pathlib import Path

import pytest

from bench.consensus_rankings import METHODS, draw, files, goals, read, winners

HEAD = "# TITLE: three\n# NUMBER ALTERNATIVES: 4\n# ALTERNATIVE NAME 1: Ann, 12: 1\n"


def test_orders_are_read_with_ties_and_gaps(tmp_path: Path) -> None:
    file = tmp_path / "00001-1.toi"
    file.write_text(HEAD + "12: 3,{1,2}\n\n1: {4, 1}, 2\n3: 2\n")
    assert read(file) == {
        "options": ["1", "2", "3", "4"],
        "ballots": [[[["3"], ["1", "2"]], 12], [[["4", "1"], ["2"]], 1], [[["2"]], 3]],
    }


@pytest.mark.parametrize("line", ["3,1", "2: 1,,2", "2: {1", "version of a pointer"])
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "00001-1.soc"
    file.write_text(HEAD + f"1: 1,2,3,4\n{line}\n")
    with pytest.raises(ValueError, match=r"soc:5 is no line"):
        read(file)


def test_files_of_other_kinds_are_passed_over_and_none_at_all_is_told(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    for name in ("a.soc", "b.dat", "one/c.toi", "info.txt"):
        (tmp_path / name).write_text("")
    assert [file.name for file in files(tmp_path)] == ["a.soc", "c.toi"]
    with pytest.raises(FileNotFoundError, match=r"no file of \.soc"):
        files(tmp_path / "two")


def test_what_a_ballot_leaves_out_stands_last() -> None:
    # Three of five put a above b and c, the others b above both.
    led = {"options": ["a", "b", "c"], "ballots": [[[["b"]], 2], [[["a"]], 3]]}
    even = {"options": ["a", "b"], "ballots": [[[["b"]], 1], [[["a"]], 1]]}
    for name in METHODS:
        assert winners(name, led) == {"a"}
        assert winners(name, even) == {"a", "b"}


def test_a_seed_draws_the_same_profiles_again_some_with_ties_some_with_gaps() -> None:
    drawn = list(draw(random.Random(1)))
    assert drawn == list(draw(random.Random(1))) != list(draw(random.Random(2)))
    ballots = [(tiers, one["options"]) for one in drawn for tiers, _ in one["ballots"]]
    assert any(len(tier) > 1 for tiers, _ in ballots for tier in tiers)
    assert any(sum(map(len, tiers)) < len(options) for tiers, options in ballots)
    assert any(len(tiers) == len(options) > 1 for tiers, options in ballots)


def test_a_goal_is_open_until_it_is_measured() -> None:
    names = [one["name"] for one in goals({})]
    assert [one["value"] for one in goals({})] == [None] * len(METHODS)
    assert [one["value"] for one in goals(dict.fromkeys(names, 0.0))] == [0.0] * len(METHODS)
