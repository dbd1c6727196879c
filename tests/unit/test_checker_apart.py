"""The checker is worth its name only as long as it shares no code with what it checks, and what it
says to whoever runs it.
"""

import ast
import json
from pathlib import Path

import pytest

from tests.chaos import check, checker
from tests.chaos.checker.evidence import Report

SOURCES = [Path(check.__file__), *Path(checker.__file__).parent.glob("*.py")]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_imports_nothing_of_the_services(path: Path) -> None:
    ours = {
        name
        for name in imported(path)
        if name.split(".")[0].startswith("comitia")
        or (name.startswith("tests.") and not name.startswith("tests.chaos.checker"))
    }
    assert not ours


def test_it_reads_a_manifest_and_refuses_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text('{"id": "t-1", "kind": "plain"}\n\n{"id": "", "kind": "unreadable"}\n')
    assert [entry["kind"] for entry in check._manifest(path)] == ["plain", "unreadable"]
    path.write_text('{"id": "t-')
    with pytest.raises(ValueError, match="Unterminated"):
        check._manifest(path)


def test_the_report_bounds_its_examples_and_counts_all(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.facts["tasks"] = 7
    for number in range(100):
        report.violated("decision.twice", f"t-{number}")
    told = json.loads(json.dumps(check.as_json(report)))
    assert told["violations"] == {"decision.twice": 100} and not told["ok"]
    assert told["examples"]["decision.twice"] == ["t-0", "t-1", "t-2", "t-3", "t-4"]
    check._tell(report)
    assert "100 VIOLATIONS" in capsys.readouterr().out
