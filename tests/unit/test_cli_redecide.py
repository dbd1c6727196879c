"""`comitia redecide`: recorded panels under another policy. Nothing is published, and the figures
are those of the aggregator's own rules.
"""

import io
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import Result

from comitia.consensus.krippendorff import alpha
from comitia.v1.decision_pb2 import Decision
from comitia_cli.client.comparing import Comparison, Limits
from comitia_cli.output import TextConsole
from comitia_cli.show.comparison import comparison_view
from tests.unit.redecide_world import Recorded

# Two lukewarm for yes, one certain of no: a plurality says yes, a pool says no.
SPLIT = (("ada", 0.55), ("bo", 0.55), ("cy", 0.01))
UNANIMOUS = (("ada", 0.9), ("bo", 0.9), ("cy", 0.9))


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITIA_STATE_DIR", str(tmp_path / "state"))


def figures(done: Result) -> dict[str, object]:
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])["comparison"]
    assert isinstance(found, dict)
    return found


def ask(log: Recorded, *arguments: str) -> Result:
    return log.call("redecide", "--since", "1970-01-01T00:00+00:00", *arguments)


def test_another_method_is_held_against_what_was_decided_and_nothing_is_published() -> None:
    log = Recorded()
    for number in range(6):
        log.tell(f"t-{number}", SPLIT if number < 2 else UNANIMOUS)
        log.right(f"t-{number}", "no" if number == 0 else "yes")
    before = log.ends()
    done = ask(log, "--policy", "probability_weighted")
    found = figures(done)
    assert log.ends() == before
    assert (found["tasks"], found["agree"]) == (6, 4)
    judged = found["judged"]
    assert isinstance(judged, dict)
    # Of the two that came out otherwise one was put right, one wrong.
    assert (judged["asked"], judged["recorded"], judged["redecided"]) == (6, 5, 5)
    assert (judged["gained"], judged["lost"]) == (1, 1)
    changed = {row["task_id"]: row for row in map(json.loads, done.stdout.splitlines()[:-1])}
    assert set(changed) == {"t-0", "t-1"}
    assert changed["t-0"]["redecided"]["value"] == {"optionId": "no"}
    assert changed["t-0"]["right"] == {"recorded": False, "redecided": True}


def test_the_same_policy_agrees_with_itself_and_early_stopping_saves_calls() -> None:
    log = Recorded()
    for number in range(5):
        log.tell(f"t-{number}", UNANIMOUS)
    found = figures(ask(log))
    assert (found["agree"], found["calls_saved"]) == (5, 0)
    found = figures(ask(log, "--policy", '{"waitForAll": false}'))
    # Two of three settle a plurality.
    assert (found["agree"], found["recorded_calls"], found["redecided_calls"]) == (5, 15, 10)


def test_answers_that_were_never_given_are_told() -> None:
    log = Recorded()
    log.tell("t-0", UNANIMOUS[:2], silent=("cy",), wait_for_all=False)
    found = figures(ask(log, "--policy", '{"waitForAll": true}'))
    assert (found["tasks"], found["agree"], found["cut_short"]) == (1, 1, 1)


def test_only_the_skill_and_the_time_that_are_asked_for() -> None:
    log = Recorded()
    log.tell("t-0", UNANIMOUS)
    done = ask(log, "--skill", "other")
    assert done.exit_code == 2
    assert "no vote was recorded since" in done.stderr
    log.clock.advance(3_600_000)
    log.tell("t-1", SPLIT)
    since = datetime.fromtimestamp(log.clock.now_ms() / 1000, UTC).isoformat()
    done = log.call("redecide", "--since", since)
    assert figures(done)["tasks"] == 1


def test_what_is_not_decided_yet_and_what_is_no_event_are_counted() -> None:
    log = Recorded()
    log.tell("t-0", UNANIMOUS)
    log.spoil()
    found = figures(ask(log))
    assert (found["tasks"], found["unread"]) == (1, 1)


def test_weights_of_a_version_decide_and_the_feedback_they_know_is_counted_apart() -> None:
    log = Recorded()
    for number in range(8):
        log.tell(f"t-{number}", SPLIT)
        log.right(f"t-{number}", "no")
    places = {record.key: (record.partition, record.offset) for record in log.records("feedback")}
    known = [partition for partition, offset in places.values() if offset == 0]
    log.weigh(1, "ada", dict.fromkeys(known, 1), newest=False)
    log.weigh(2, "cy", dict.fromkeys(known, 1), newest=True)
    # The newest weights trust cy, who says no; those before trusted ada, who says yes.
    newest = figures(ask(log, "--policy", "learned"))
    former = figures(ask(log, "--policy", "learned", "--weights-version", "1"))
    assert (newest["agree"], former["agree"]) == (0, 8)
    judged, fitted = newest["judged"], newest["judged_by_feedback_the_weights_were_fitted_to"]
    assert isinstance(judged, dict)
    assert isinstance(fitted, dict)
    assert (fitted["asked"], judged["asked"]) == (len(known), 8 - len(known))
    assert (judged["recorded"], judged["redecided"]) == (0, 8 - len(known))
    # By plurality no weights are at work, so no feedback flatters.
    plain = figures(ask(log))
    assert plain["judged_by_feedback_the_weights_were_fitted_to"] == {}
    # Both are sure, one of them in vain: 5 nats against two votes of .1, or with one against one.
    for found, right, nats in ((newest, 1.0, 4.8), (former, 0.0, 5.0)):
        sure = 1 / (1 + math.exp(-nats))
        assert found["calibration"] == {
            "tasks": 8 - len(known),
            "mean_probability": pytest.approx(sure),
            "right": right,
            "expected_calibration_error": pytest.approx(abs(right - sure)),
        }
    assert plain["calibration"] == {}


def test_feedback_that_is_said_again_stays_what_the_weights_were_fitted_to() -> None:
    log = Recorded()
    log.tell("t-0", SPLIT)
    for _ in range(2):
        log.right("t-0", "no")
    (partition,) = {record.partition for record in log.records("feedback")}
    log.weigh(1, "cy", {partition: 1}, newest=True)
    found = figures(ask(log, "--policy", "learned"))
    fitted = found["judged_by_feedback_the_weights_were_fitted_to"]
    assert isinstance(fitted, dict)
    assert (fitted["asked"], found["judged"]) == (1, {})


def test_what_the_method_cannot_count_is_left_out_and_what_it_lacks_is_told() -> None:
    log = Recorded()
    for number in range(3):
        log.tell(f"t-{number}", UNANIMOUS)
    assert figures(ask(log, "--policy", "learned"))["unweighed"] == 3
    done = ask(log, "--policy", "median")
    assert done.exit_code == 2
    assert "left out: the method cannot count" in done.stderr


def test_a_person_reads_the_two_side_by_side() -> None:
    found = Comparison()
    recorded, redecided = Decision(), Decision()
    recorded.value.option_id, redecided.value.option_id = "no", "yes"
    for _ in range(10):
        found.add(recorded, redecided, Limits())
        redecided.calibrated_probability = 0.8
        found.judge(recorded, redecided, redecided.value, False)
    out = io.StringIO()
    TextConsole(file=out, width=120).print(comparison_view(found))
    text = " ".join(out.getvalue().split())
    assert "0 of 10 agree" in text
    assert "0 of 10 (0.0%) 10 of 10 (100.0%) +100.0 points" in text
    assert "10 put right, 0 put wrong" in text
    assert "0.80 on the mean, 1.00 of 10 are right; expected calibration error 0.20" in text


def test_it_says_how_far_agents_agree_beyond_chance() -> None:
    log = Recorded()
    for number in range(4):
        log.tell(f"t-{number}", SPLIT if number else (("ada", 0.1), ("bo", 0.1), ("cy", 0.1)))
    found = figures(ask(log, "--policy", "probability_weighted"))
    # 12 ballots, 6 for yes; one pair of three agrees on each of three tasks, all on the fourth:
    # 1 - (3 * 4 / 2 / 12) / (2 * 6 * 6 / (12 * 11))
    told = {"skill": "opinions", "level": "nominal", "tasks": 4, "alpha": pytest.approx(1 / 12)}
    assert found["agreement"] == [told]


def test_agreement_on_numbers_knows_their_distance_and_leaves_shadows_out() -> None:
    found = Comparison()
    for said in ((1.0, 1.5, 99.0), (8.0, 9.0, 0.0)):
        decision = Decision(skill="sums")
        for number in said:
            decision.ballots.add().value.number = number
        decision.ballots[2].shadow = True
        decision.ballots.add().abstention.detail = "cannot tell"
        found.add(decision, decision, Limits())
    free = Decision(skill="opinions")
    for _ in range(2):
        free.ballots.add().value.text = "as I like it"
    found.add(free, free, Limits())
    (one,) = found.agreements.found()
    assert (one.skill, one.level, one.tasks) == ("sums", "interval", 2)
    assert one.alpha == pytest.approx(alpha([[1.0, 1.5], [8.0, 9.0]], "interval"))
    out = io.StringIO()
    TextConsole(file=out, width=120).print(comparison_view(found))
    assert f"sums: agents agree by {one.alpha:.2f} on 2 tasks" in out.getvalue()


def test_where_all_say_the_same_there_is_no_chance_to_compare_with() -> None:
    found, decision = Comparison(), Decision(skill="opinions")
    for _ in range(3):
        decision.ballots.add().value.option_id = "yes"
    found.add(decision, decision, Limits())
    out = io.StringIO()
    TextConsole(file=out, width=120).print(comparison_view(found))
    assert "opinions: all answers are the same (tasks: 1)" in out.getvalue()


def test_a_version_that_is_not_kept_is_told() -> None:
    log = Recorded()
    log.tell("t-0", UNANIMOUS)
    done = ask(log, "--weights-version", "7")
    assert done.exit_code == 2
    assert "no skill has weights of version 7" in done.stderr
