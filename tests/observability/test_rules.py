"""Alert and recording rules: valid, complete, each alert proved to fire and to stay silent."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.observability.expressions import RULES, alerts, rules

CASES = sorted((Path(__file__).parent / "rules").glob("*.test.yaml"))
RUNBOOKS = Path(__file__).parents[2] / "docs" / "operations.md"
SEVERITIES = {"critical", "warning"}


def promtool(*arguments: str) -> None:
    """Run it, or skip where it is not installed."""
    command = shutil.which("promtool")
    if command is None:
        pytest.skip("promtool is not on the PATH; Debian's package prometheus has it")
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_prometheus_accepts_the_rules(path: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(path))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name.partition(".")[0])
def test_alerts_fire_in_their_case_and_are_silent_in_its_near_miss(path: Path) -> None:
    promtool("test", "rules", str(path))


def test_every_alert_is_tested_both_ways() -> None:
    tested: dict[bool, set[str]] = {True: set(), False: set()}
    for path in CASES:
        for case in yaml.safe_load(path.read_text())["tests"]:
            for expected in case["alert_rule_test"]:
                tested[bool(expected["exp_alerts"])].add(expected["alertname"])
    names = {alert["alert"] for alert in alerts()}
    assert (names - tested[True], names - tested[False]) == (set(), set())


def test_every_alert_says_how_bad_it_is_what_happened_and_where_to_read_on() -> None:
    headings = re.findall(r"^#+ (.+)$", RUNBOOKS.read_text(encoding="utf-8"), re.M)
    for alert in alerts():
        said = alert["annotations"]
        assert alert["labels"]["severity"] in SEVERITIES, alert["alert"]
        assert said["summary"] and said["description"].endswith("."), alert["alert"]
        assert said["runbook_url"] == f"docs/operations.md#{alert['alert'].lower()}"
        assert alert["alert"] in headings, f"docs/operations.md has no section {alert['alert']}"


def test_the_rules_are_read_as_they_are() -> None:
    """Helm puts the files in without templating them, so nothing in them may need it."""
    for rule in rules():
        assert "{{" not in rule["expr"]
    for path in RULES:
        placeholders = re.findall(r"\{\{\s*(\S+)", path.read_text(encoding="utf-8"))
        assert {word.split(".")[0] for word in placeholders} <= {"$labels", "$value"}
