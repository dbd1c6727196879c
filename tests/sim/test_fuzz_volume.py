"""50,000 mutated messages through every decoder, handler and reader; and that a bug in one of them
is found. FUZZ_MESSAGES sets another number.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from comitia_aggregator import main as aggregator
from comitia_cli.show import decision as shown
from comitia_router.handler import Router
from tests.sim.fuzz import run_batch, targets

ROOT = Path(__file__).parents[2]
MESSAGES = int(os.environ.get("FUZZ_MESSAGES", "50000"))


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """A batch silences the logs of its process."""
    yield
    logging.disable(logging.NOTSET)


def test_no_mutated_message_goes_unhandled() -> None:
    command = [sys.executable, "-m", "tests.sim.fuzz", "--messages", str(MESSAGES), "--jobs", "2"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"0 of {MESSAGES} unhandled" in run.stdout


def test_every_target_is_met_by_messages_and_by_what_is_none() -> None:
    report = run_batch(0, 1_000)
    assert set(report.counts) - {"parsed"} == {target.name for target in targets()}
    assert 300 < report.counts["parsed"] < 700


def test_a_batch_is_made_of_its_number() -> None:
    assert run_batch(3, 100) == run_batch(3, 100)


@pytest.mark.parametrize(
    ("owner", "name", "found"),
    [
        (Router, "on_task", "router: task"),
        (aggregator, "step", "aggregator: event"),
        (shown, "whole", "cli: decision"),
    ],
)
def test_a_bug_is_found(
    owner: object, name: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(owner, name, broken)
    report = run_batch(1, 200)
    assert {target for _, target, _ in report.unhandled} == {found}
