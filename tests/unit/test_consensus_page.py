"""docs/consensus.md against the code: who chooses a vote by the page gets what it says."""

import doctest
import re
from pathlib import Path

import pytest
from google.protobuf.json_format import Parse

from comitia.consensus import learning
from comitia.methods import FORMATS, KINDS
from comitia.v1.policy_pb2 import Method
from comitia.v1.task_pb2 import Task
from comitia_aggregator.methods import ROWS
from comitia_learner import handler
from comitia_learner.handler import Rules
from comitia_learner.skill import Bounds
from comitia_router.limits import Limits
from comitia_router.validate import problems

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "consensus.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def rows(heading: str) -> list[list[str]]:
    """The cells of a section's rows that begin with a method."""
    lines = re.findall(r"^\| `METHOD_.*\|$", section(heading), re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_of_formats_is_the_routers() -> None:
    told = {
        name.strip("`"): tuple(kind for kind, cell in zip(KINDS, cells, strict=True) if cell)
        for name, *cells in rows("Which method takes which answers")
    }
    assert told == {Method.Name(method): kinds for method, kinds in FORMATS.items()}


def test_every_method_that_counts_has_its_row() -> None:
    told = [name.strip("`") for name, *_ in rows("What each does")]
    assert sorted(told) == sorted(Method.Name(method) for method in ROWS)


def test_the_sources_are_those_of_the_algorithms() -> None:
    files = [
        *(ROOT / "shared" / "comitia" / "consensus").glob("*.py"),
        ROOT / "services" / "router" / "comitia_router" / "drawing.py",
    ]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    sources = re.findall(r"\]\((https://(?:[^()]|\([^()]*\))+)\)", PAGE)
    assert sources
    for source in sources:
        assert source.removeprefix("https://doi.org/") in code, source


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("after {} of them with two votes or more", handler._DECISIONS_MIN),
        ("{} judged tasks or more", learning.EXAMPLES_MIN),
        ("fewer than {} judged tasks", learning.EXAMPLES_MIN),
        ("the newest {:,} judged tasks", Bounds().examples_max),
        ("among the {} voters", Bounds().voters_max),
        ("the last {} versions", Rules("", Bounds()).weights_versions_max),
        ("{:,} skills", Rules("", Bounds()).skills_max),
    ],
)
def test_numbers_are_those_of_the_learner(words: str, number: int) -> None:
    assert words.format(number) in " ".join(PAGE.split())


def test_the_router_takes_the_tasks_that_the_page_shows() -> None:
    lines = re.findall(r"^ {4}(\{.*\})$", PAGE, re.MULTILINE)
    assert lines
    for line in lines:
        assert not problems(Parse(line, Task()), Limits())


def test_the_page_shows_what_the_library_answers() -> None:
    shown = doctest.DocTestParser().get_doctest(PAGE, {}, "consensus.md", None, 0)
    assert shown.examples
    assert doctest.DocTestRunner().run(shown).failed == 0
