"""`comitia explain` on a ladder: which steps were taken and why, what each left and cost, what
agents were shown and who switched, kept or judged; and what a person made of it.
"""

import getpass
import io
from pathlib import Path

import pytest

from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import DECISION_STATUS_EXPIRED, Decision
from comitia_cli.client.decisions import Family, Found
from comitia_cli.commands.explain import _open, _story
from comitia_cli.output import TextConsole
from comitia_cli.show.decision import small_print, whole
from comitia_cli.show.walk import walk_view
from tests.unit.ladder_world import Script, Story, ladder, says, silent_from
from tests.unit.settle_world import Court

TALK = {"deliberation": {"rounds": 1}, "when": {"marginBelow": 0.5}}
JUDGE = {"name": "umpire", "judge": {"swap": True}, "when": {"marginBelow": 0.9}}
VETO = {
    "name": "guard",
    "rules": {
        "rules": [
            {"name": "no-b", "veto": {"voter": {"agent": "a0"}}, "because": "a0 owns this"},
        ]
    },
    "when": {"always": True},
}
BARGAIN = {"negotiation": {}, "when": {"marginBelow": 0.01}}


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITIA_STATE_DIR", str(tmp_path / "state"))


def shown(*things: object) -> str:
    out = io.StringIO()
    console = TextConsole(file=out, width=200, highlight=False)
    for thing in things:
        console.print(thing)
    return out.getvalue()


def costs(script: Script, tokens: int) -> Script:
    def answer(assignment: Assignment) -> Answer | None:
        made = script(assignment)
        if made is not None:
            made.usage.prompt_tokens = tokens
        return made

    return answer


def line_of(text: str, start: str) -> list[str]:
    return next(line for line in text.splitlines() if line.strip().startswith(start)).split()


def test_every_step_says_whether_it_was_taken_why_what_it_left_and_what_it_cost() -> None:
    policy = ladder(TALK, BARGAIN, JUDGE)
    agents = [costs(says("a"), 5), costs(says("a"), 5), costs(says("b"), 5)]
    story = Story(policy, agents, {"umpire": [says("b", "a")]})
    text = shown(walk_view(story.run().decision))
    talk = line_of(text, "deliberation")
    assert talk[1] == "taken"
    assert talk[2:6] == ["a", "0.33", "3", "18"]
    assert "margin 0.33, below 0.50" in text
    assert line_of(text, "negotiation")[1:3] == ["passed", "over"]
    assert "umpire (judge)  taken" in text
    assert "a0: a, as before (was shown a1, a2)" in text
    assert "j3: as a judge picks a" in text
    assert "a, question 2" in text, "asked twice, the answers in reverse order"


def test_who_switches_says_why_and_who_does_not_answer_keeps_what_it_said() -> None:
    agents = [says("a"), says("b", "a", why="[seen] it"), says("c", "a", why=""), says("a")]
    agents.append(silent_from(2, says("b")))
    text = shown(walk_view(Story(ladder(TALK), agents).run().decision))
    assert "a1: b -> a: “[seen] it” (was shown a0, a2, a3, a4)" in text
    assert "a2: c stands: another value without a reason" in text
    assert "a4: b stands: no answer in time" in text


def test_the_sentences_of_rules_and_the_figures_of_a_negotiation_are_there() -> None:
    story = Story(ladder(VETO), [says("a"), says("b"), says("b")]).run()
    assert "a0 owns this" in shown(walk_view(story.decision))
    record = story.decision.steps[0].negotiation
    record.agreed, record.offers, record.pareto_efficient = True, 7, True
    record.nash_product, record.nash_product_max = 0.42, 0.5
    text = shown(walk_view(story.decision))
    assert "guard: agreed after 7 offers; Nash product 0.420 of 0.500 possible; no other" in text
    record.agreed = False
    assert "no agreement after 7 offers" in shown(walk_view(story.decision))


def test_a_table_over_several_rounds_says_which_and_who_judged() -> None:
    policy = ladder(JUDGE)
    story = Story(policy, [says("a"), says("a"), says("b")], {"umpire": [says("a")]}).run()
    text = shown(whole(story.decision))
    assert "5 votes in 2 rounds" in text
    assert " by umpire" in text
    assert line_of(text, "+  j3")[1:4] == ["j3", "(judge)", "2"]
    assert "round" not in shown(whole(Story(ladder(TALK), [says("a")] * 3).run().decision))


def test_nothing_is_said_of_weights_that_were_not_there_or_of_answers_nobody_waited_for() -> None:
    decision = Story(ladder(TALK), [says("a")] * 3).run().decision
    assert "weights version" not in shown(small_print(decision))
    decision.missing.add(seat=3, agent="slow")
    assert "had not answered" in shown(whole(decision))
    decision.ClearField("value")
    decision.status = DECISION_STATUS_EXPIRED
    assert "no answer" in shown(whole(decision))


def test_while_a_round_is_open_those_who_are_asked_in_it_are_waited_for() -> None:
    story = Story(ladder(TALK), [says("a"), silent_from(2, says("b"))])
    story.run()
    events = [one.message for one in story.log]
    assert "1 of 2 agents have answered in round 2, waiting for a1" in _open("t1", events)


def test_what_a_person_made_of_it_comes_first_and_then_what_the_panel_had_said() -> None:
    court = Court()
    court.escalate()
    assert court.call("settle", "t1", "--value", "b", "--because", "I looked").exit_code == 0
    done = court.call("explain", "t1")
    assert done.stdout.count("\n") == 2, "one line of JSON a revision"
    found = [
        Found(Decision.FromString(one.value or b""), one) for one in court.records("decisions")
    ]
    text = shown(_story(Family(found, {}), []))
    by = getpass.getuser()
    heads = [f"b {by} settled it as b because “I looked” (revision 1)", "settled was revision 0:"]
    heads += ["ESCALATED", "ask (person) taken"]
    places = [" ".join(text.split()).index(head) for head in heads]
    assert places == sorted(places)
    assert "weights version" not in text
    assert text.count("cost:") == 1, "a person's word costs no tokens"
    assert "unspecified" not in text
