"""`comitia redecide` on tasks with rounds: what the log holds of them counts where the other policy
asks for it, too; what was never held is said; tasks of stages are left out by name.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from comitia.ports import Outgoing, Record
from comitia.topics import Names
from comitia.v1.decision_pb2 import DECISION_STATUS_ESCALATED, Decision
from comitia.v1.policy_pb2 import Policy
from comitia_aggregator.state import Rules
from comitia_cli.client.comparing import Comparison, Limits
from comitia_cli.client.policies import read_change
from comitia_cli.client.refolding import Folded, Refold
from tests.unit.ladder_world import Script, Story, ladder, says, silent_from
from tests.unit.redecide_world import Recorded
from tests.unit.stage_world import World, staged_task

TALK: Mapping[str, object] = {"deliberation": {"rounds": 2}, "when": {"marginBelow": 0.5}}
JUDGE: Mapping[str, object] = {"judge": {}, "when": {"marginBelow": 0.9}}
# Three against two, who are persuaded; the judge holds with those.
AGENTS: tuple[Script, ...] = (
    says("a"), says("a"), says("b", "a"), says("b", "b", "a"), says("b"),
)  # fmt: skip
FOREVER_MS = 2**62


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITIA_STATE_DIR", str(tmp_path / "state"))


def told(policy: Policy, agents: tuple[Script, ...] = AGENTS) -> Story:
    return Story(policy, list(agents), {"judge": [says("a")]}).run()


def again(story: Story, change: object) -> Folded:
    """The recorded events under another policy."""
    fold = Refold(read_change(json.dumps(change)), Rules("comitia.decisions.v1"))
    found: list[Folded] = []
    for one in story.log:
        data = one.message.SerializeToString()
        found += fold.add(Record(one.topic, one.partition, one.offset, one.append_ms, None, data))
    found += fold.close(FOREVER_MS)
    (folded,) = found
    return folded


def taken(decision: Decision) -> list[tuple[str, int]]:
    return [(one.name, one.rounds) for one in decision.steps if one.taken]


def test_the_same_ladder_leads_to_the_same_decision() -> None:
    story = told(ladder(TALK, JUDGE))
    folded = again(story, {})
    assert taken(story.decision) == [("deliberation", 2), ("judge", 1)]
    for name in ("value", "steps", "ballots", "margin", "decided_by", "status"):
        assert getattr(folded.decision, name) == getattr(story.decision, name)
    assert not (folded.unheld or folded.at_deadline)


def test_without_its_steps_the_first_vote_decides_alone() -> None:
    folded = again(told(ladder(TALK, JUDGE)), {"steps": []})
    assert (folded.decision.value.option_id, len(folded.decision.ballots)) == ("b", 5)
    assert not (folded.unheld or folded.at_deadline)


def test_a_step_that_is_left_out_takes_its_rounds_along_and_later_ones_count() -> None:
    folded = again(told(ladder(TALK, JUDGE)), {"steps": [JUDGE]})
    assert taken(folded.decision) == [("judge", 1)]
    assert {ballot.round for ballot in folded.decision.ballots} == {1, 4}
    assert not folded.unheld


def test_fewer_rounds_than_were_held() -> None:
    short = {**TALK, "deliberation": {"rounds": 1}}
    folded = again(told(ladder(TALK)), {"steps": [short]})
    assert taken(folded.decision) == [("deliberation", 1)]
    assert {ballot.round for ballot in folded.decision.ballots} == {1, 2}


def test_a_step_that_is_not_needed_asks_for_nothing() -> None:
    easy = {**JUDGE, "when": {"undecided": True}}
    folded = again(told(ladder(JUDGE)), {"steps": [easy]})
    assert taken(folded.decision) == []
    assert len(folded.decision.ballots) == 5


@pytest.mark.parametrize("steps", [[JUDGE], [{**TALK, "name": "another"}]])
def test_a_round_that_was_never_held_is_told(steps: list[object]) -> None:
    folded = again(told(ladder(TALK)), {"steps": steps})
    assert folded.unheld
    assert folded.decision.value.option_id == "b"
    assert "no time was left" in folded.decision.steps[0].reason


def test_a_vote_whose_time_was_over_is_closed_before_the_round_after_it() -> None:
    """a4 says nothing: the first vote ends by its clock, and no event says so."""
    policy = ladder(JUDGE, voteTimeoutMs=300)
    story = told(policy, (*AGENTS[:4], silent_from(1, says("b"))))
    same = again(story, {})
    assert same.decision.steps == story.decision.steps
    assert not same.unheld
    left = again(story, {"steps": [{"person": {}, "when": {"always": True}}]}).decision
    assert (left.status, len(left.ballots)) == (DECISION_STATUS_ESCALATED, 4)


def test_the_policy_of_a_skill_stands_in_the_panel() -> None:
    story = told(ladder(JUDGE))
    opened = story.log[0].message.panel_opened
    opened.policy.CopyFrom(opened.task.policy)
    opened.task.ClearField("policy")
    assert taken(again(story, {}).decision) == [("judge", 1)]


def test_tasks_of_stages_are_left_out_and_each_stage_is_compared() -> None:
    world = World({}).run(staged_task({"name": "one"}, {"name": "two"}))
    log = Recorded()

    async def put() -> None:
        writer = await log.writer()
        for entity, found in (("panel-events", world.events), ("decisions", world.made)):
            for one in found:
                data = one.message.SerializeToString()
                topic = Names().topic(entity)
                await (await writer.send(Outgoing(topic, data, b"t1", (), 2)))

    asyncio.run(put())
    done = log.call("redecide", "--since", "1970-01-01T00:00+00:00")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])["comparison"]
    assert (found["tasks"], found["staged"], found["without_panel"]) == (2, 1, 0)


def test_answers_of_shadows_were_not_waited_for() -> None:
    found, decision = Comparison(), Decision(skill="opinions")
    for seat in range(3):
        decision.ballots.add(seat=seat, shadow=seat == 2).value.option_id = "yes"
    found.add(decision, decision, Limits())
    assert (found.recorded_calls, found.redecided_calls) == (2, 2)


def test_a_skill_without_the_version_is_told_instead_of_counted_in_silence() -> None:
    log = Recorded()
    log.tell("t-0", (("ada", 0.9), ("bo", 0.9)))
    log.weigh(1, "ada", {}, newest=True)
    asyncio.run(log.put("decisions", "other", Decision(skill="other", task_id="other")))
    since = ("redecide", "--since", "1970-01-01T00:00+00:00", "--policy", "learned")
    missing = log.call(*since, "--weights-version", "1", "--skill", "other")
    assert missing.exit_code == 2
    assert "skill 'other' has no weights of version 1" in missing.stderr

    unlike = Recorded()
    unlike.tell("t-0", (("ada", 0.9), ("bo", 0.9)))
    unlike.weigh(1, "ada", {}, newest=True, skill="elsewhere")
    done = unlike.call(*since, "--weights-version", "1")
    found = json.loads(done.stdout.splitlines()[-1])["comparison"]
    assert (found["unversioned"], found["unweighed"]) == (1, 0)
