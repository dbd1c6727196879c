"""What a person sees of a decision: how it was counted, who carried it, who dissented and why, who
did not count.
"""

import io

from comitia.v1.answer_pb2 import ABSTENTION_REASON_UNDECIDED
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.policy_pb2 import METHOD_LEARNED, METHOD_LOG_POOL, METHOD_PLURALITY, Method
from comitia_cli.output import TextConsole
from comitia_cli.show.decision import one_line, small_print, whole
from comitia_cli.show.methods import METHODS

WHY = "The second half turns: [it] says the heart is missing."


def shown(*things: object) -> str:
    out = io.StringIO()
    console = TextConsole(file=out, width=140, highlight=False)
    for thing in things:
        console.print(thing)
    return out.getvalue()


def learned() -> Decision:
    """Two for, one against, one abstention, one shadow, one late, one silent."""
    made = Decision(
        status=DecisionStatus.DECISION_STATUS_DECIDED,
        method=METHOD_LEARNED,
        margin=0.62,
        calibrated_probability=0.93,
        weights_version=12,
        skill="sentiment",
        trace_id="ab" * 16,
    )
    made.value.option_id = "good"
    for seat, (agent, value, weight, why) in enumerate(
        (
            ("labeller", "bad", 0.2, WHY),
            ("librarian", "good", 0.9, ""),
            ("critic", "good", 1.8, "warm words"),
            ("reporter", "", 0.0, ""),
            ("novice", "bad", 0.0, "no idea"),
        )
    ):
        ballot = made.ballots.add(seat=seat, agent=agent, weight=weight, rationale=why)
        ballot.confidence = 0.5 + weight / 4
        if value:
            ballot.value.option_id = value
        else:
            ballot.abstention.reason = ABSTENTION_REASON_UNDECIDED
        ballot.shadow = agent == "novice"
    made.late.add(seat=5, agent="slow")
    made.missing.add(seat=6, agent="gone")
    made.cost.prompt_tokens, made.cost.elapsed_ms = 811, 213
    return made


def test_method_probability_weights_dissent_shadows_and_absence_are_told() -> None:
    text = shown(whole(learned()), small_print(learned()))
    lines = text.splitlines()
    assert "DECIDED  good  2 of 3 votes, margin 0.62, right with probability 0.93" in lines[0]
    assert "learned vote" in lines[1]
    assert "weights version 12 of sentiment" in lines[1]
    rows = [line.split()[:2] for line in lines[3:10]]
    assert rows == [
        ["+", "critic"],
        ["+", "librarian"],
        ["-", "labeller"],
        ["o", "reporter"],
        ["~", "novice"],
        ["slow", "too"],
        ["gone", "had"],
    ]
    assert "1.80 ████████" in lines[3]
    assert "0.90 ████····" in lines[4]
    assert "shadow: not counted" in lines[7]
    assert f"labeller dissents for bad: “{WHY}”" in text
    assert "novice dissents" not in text
    assert "811 prompt" in text
    assert f"trace {'ab' * 16}" in text


def test_no_probability_is_shown_as_certain_and_no_digit_of_a_number_is_lost() -> None:
    made = learned()
    made.calibrated_probability = 0.9998
    assert "right with probability over 0.99" in one_line(made).plain
    made.value.number = 1234567.25
    assert "DECIDED  1234567.25 " in one_line(made).plain


def test_a_shadow_neither_votes_nor_dissents_in_the_headline() -> None:
    made = learned()
    del made.ballots[0]
    assert "2 of 2 votes" in one_line(made).plain
    assert "against" not in one_line(made).plain


def test_equal_weights_are_not_shown_and_a_pool_shows_probabilities() -> None:
    made = learned()
    made.method = METHOD_PLURALITY
    for ballot in made.ballots:
        ballot.weight = 1.0
    assert "█" not in shown(whole(made))
    made.method = METHOD_LOG_POOL
    for option, probability in (("good", 0.7), ("bad", 0.3)):
        made.ballots[1].probabilities.add(option_id=option, probability=probability)
    assert "good 0.70  bad 0.30" in shown(whole(made))


def test_what_was_not_decided_begins_with_the_reason() -> None:
    made = learned()
    made.ClearField("value")
    made.status = DecisionStatus.DECISION_STATUS_NO_QUORUM
    made.explanation = "Too few voted."
    lines = shown(whole(made)).splitlines()
    assert lines[0].startswith("NO_QUORUM")
    assert lines[1].strip() == "Too few voted."
    assert "dissents" not in shown(whole(made))


def test_odd_weights_break_nothing() -> None:
    made = learned()
    for ballot, weight in zip(
        made.ballots, (float("nan"), -1e300, float("inf"), 0, 0), strict=True
    ):
        ballot.weight = weight
    text = shown(whole(made))
    assert all(ballot.agent in text for ballot in made.ballots)


def test_every_method_has_words() -> None:
    assert set(METHODS) == set(Method.values()) - {0}
