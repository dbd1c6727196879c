"""From feedback to other decisions on Apache Kafka: what `comitia feedback` sends is what the
learner counts, and `comitia redecide` finds what the panel would have decided with it.
"""

import csv
import json
from pathlib import Path

import pytest

from comitia.v1.weights_pb2 import Weights
from tests.integration.test_cli_system import comitia
from tests.integration.test_services_router_aggregator import System, make_task, running

# So many that the weights rest on feedback, and not on agreement alone.
TASKS = 40


def right(number: int) -> str:
    return "good" if number % 2 else "bad"


def wrong(number: int) -> str:
    return "bad" if number % 2 else "good"


async def decided_by_the_wrong(system: System) -> None:
    """Two of three are wrong each time, so a plurality is, too; eve alone is right."""
    for number in range(TASKS):
        said = f"ann={wrong(number)} bob={wrong(number)} eve={right(number)}"
        task = make_task(f"t-{number}", said)
        await system.say("tasks", task.id, task)
    await system.until(lambda: len(system.decisions) == TASKS)
    for number in range(TASKS):
        (decision,) = system.decisions[f"t-{number}"]
        assert decision.value.option_id == wrong(number)


async def test_feedback_is_counted_once_and_another_policy_would_have_been_right(
    broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "right.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [(f"t-{number}", right(number)) for number in range(TASKS)]
        csv.writer(file).writerows([("task_id", "correct"), *rows, ("t-none", "good")])
    async with running(broker, tmp_path) as system:
        monkeypatch.setenv("COMITIA_PREFIX", system.names.prefix)
        monkeypatch.setenv("COMITIA_BOOTSTRAP", broker)
        await decided_by_the_wrong(system)
        for _ in range(2):
            code, out, err = await comitia("feedback", "--file", str(path))
            assert (code, len(out.splitlines())) == (6, TASKS), err
            assert f"line {TASKS + 2}: no decision of this task" in err
        system.start("learner")
        skill = b"sentiment"
        newest = await system.first(
            "weights",
            lambda record: (
                record.key == skill and Weights.FromString(record.value).feedback_count >= TASKS
            ),
        )
        assert Weights.FromString(newest.value).feedback_count == TASKS

        version = str(Weights.FromString(newest.value).version)
        for by in ((), ("--weights-version", version)):
            learned = ("redecide", "--policy", "learned", "--since", "1h", *by)
            code, out, err = await comitia(*learned)
            assert code == 0, err
            found = json.loads(out.splitlines()[-1])["comparison"]
            assert (found["tasks"], found["agree"], found["cut_short"]) == (TASKS, 0, 0)
            fitted = found["judged_by_feedback_the_weights_were_fitted_to"]
            assert (fitted["asked"], fitted["recorded"], fitted["redecided"]) == (TASKS, 0, TASKS)
            assert found["judged"] == {}

        code, out, err = await comitia("redecide", "--policy", "plurality", "--since", "1h")
        assert json.loads(out.splitlines()[-1])["comparison"]["agree"] == TASKS, err
