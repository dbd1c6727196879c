"""How a task goes through its stages: in order, by branches, back from a failed check, and what
each is given of what was decided before.
"""

import pytest

from comitia.v1 import decision_pb2 as d
from comitia.v1.input_pb2 import Chat, ChatMessage, Input
from comitia.v1.value_pb2 import Value
from tests.sim.events import TRACEPARENT
from tests.unit.stage_world import STAGES, World, option, staged_task, text

YES_NO = {"choice": {"options": [{"id": "yes", "text": "it holds"}, {"id": "no"}]}}
FIVE = (
    {"name": "understand"},
    {"name": "retrieve", "input": "Find what helps with: {understand}"},
    {"name": "solve", "input": "{input} Use {retrieve}", "entriesMax": 2},
    {
        "name": "check", "input": "Right? {solve}", "format": YES_NO, "entriesMax": 2,
        "next": [{"values": [{"optionId": "no"}], "stage": "solve"}, {"stage": "write"}],
    },
    {"name": "write", "input": "{input} {solve} ({check}, {understand})"},
)  # fmt: skip


def names(world: World) -> list[str]:
    return [child.removeprefix("t1:") for child in world.walk()]


def test_each_stage_is_given_what_was_decided_before() -> None:
    world = World({"check": [option("yes")]}).run(staged_task(*FIVE))
    assert names(world) == ["understand:1", "retrieve:1", "solve:1", "check:1", "write:1"]
    assert [child.input.text for child in world.children] == [
        "Why?",
        "Find what helps with: understand 1",
        "Why? Use retrieve 1",
        "Right? solve 1",
        "Why? solve 1 (yes (it holds), understand 1)",
    ]
    decision = world.decisions()["t1"]
    assert decision.status == d.DECISION_STATUS_DECIDED
    assert (decision.value.text, decision.decided_by) == ("write 1", "write")
    assert [(one.stage, one.attempt, one.task_id) for one in decision.stages][3:] == [
        ("check", 1, "t1:check:1"), ("write", 1, "t1:write:1"),
    ]  # fmt: skip
    assert decision.stages[3].value == option("yes")
    cost = decision.cost
    assert (cost.prompt_tokens, cost.completion_tokens, cost.assignments) == (50, 10, 5)
    for part in ('Stage solve: "solve 1" leads by plurality', 'Decided by write: "write 1".'):
        assert part in decision.explanation


def test_a_failed_check_goes_back_as_often_as_it_may() -> None:
    world = World({"check": [option("no"), option("yes")]}).run(staged_task(*FIVE))
    assert names(world)[2:] == ["solve:1", "check:1", "solve:2", "check:2", "write:1"]
    assert "solve 2" in world.children[-1].input.text
    assert 'Stage solve (2): "solve 2" leads' in world.decisions()["t1"].explanation


def test_a_loop_that_is_spent_is_passed_over() -> None:
    world = World({"check": [option("no")]}).run(staged_task(*FIVE))
    assert names(world)[2:] == ["solve:1", "check:1", "solve:2", "check:2", "write:1"]
    without = (*FIVE[:3], {**FIVE[3], "next": [FIVE[3]["next"][0]]})  # type: ignore[index]
    decision = World({"check": [option("no")]}).run(staged_task(*without)).decisions()["t1"]
    assert (decision.decided_by, decision.value.option_id) == ("check", "no")
    assert "Stage solve was entered 2 times, as often as it may be." in decision.explanation


def test_a_branch_may_end_the_task() -> None:
    end = {**FIVE[3], "next": [{"values": [{"optionId": "yes"}]}, {"stage": "write"}]}
    end["input"] = "Clear? {understand}"
    world = World({"check": [option("yes")]}).run(staged_task(FIVE[0], end, {"name": "write"}))
    assert names(world) == ["understand:1", "check:1"]
    assert world.decisions()["t1"].value == option("yes")
    assert list(world.decisions()["t1"].option_ids) == ["yes", "no"]


@pytest.mark.parametrize(
    ("answer_format", "said", "branch", "taken"),
    [
        ({"text": {}}, text(" Done "), {"text": "done"}, True),
        ({"number": {}}, Value(number=0.3), {"number": 0.1 + 0.2}, True),
        ({"json": {"schema": "{}"}}, Value(json='{"a": 1.0}'), {"json": '{"a":1}'}, True),
        ({"number": {}}, Value(number=3), {"number": 4}, False),
    ],
)
def test_values_of_branches_compare_as_ballots_do(
    answer_format: object, said: Value, branch: object, taken: bool
) -> None:
    first = {"name": "one", "format": answer_format}
    first["next"] = [{"values": [branch], "stage": "three"}, {"stage": "two"}]
    task = staged_task(first, {"name": "two", "next": [{}]}, {"name": "three"})
    world = World({"one": [said]}).run(task)
    assert names(world)[1] == ("three:1" if taken else "two:1")


def test_a_stage_without_a_template_is_given_all_that_was_decided() -> None:
    world = World({}).run(staged_task({"name": "a"}, {"name": "b"}, {"name": "c"}))
    assert world.children[2].input.text == "Why?\n\na: a 1\nb: b 1"


def test_a_conversation_stays_one() -> None:
    said = Chat(messages=[ChatMessage(role="user", content="Why?")])
    task = staged_task({"name": "a"}, {"name": "b"}, {"name": "c", "input": "{input} / {b}"})
    task.input.CopyFrom(Input(chat=said))
    world = World({}).run(task)
    assert world.children[0].input.chat == said
    assert [one.content for one in world.children[1].input.chat.messages] == ["Why?", "a: a 1"]
    assert world.children[2].input.text == "user: Why? / b 1"


def test_what_was_decided_is_not_read_as_a_template() -> None:
    stages = ({"name": "a"}, {"name": "b", "input": "{a} {x y} {c}!"}, {"name": "c"})
    world = World({"a": [text("{input} {b}")]}).run(staged_task(*stages))
    assert world.children[1].input.text == "{input} {b} {x y} !"


def test_a_child_is_of_its_parents_making() -> None:
    more = {"seed": 7, "tenant": "acme", "session": "s", "priority": "PRIORITY_HIGH"}
    stages = ({"name": "a", "timeoutMs": 500}, {"name": "b", "skill": "other", "policy": {}})
    world = World({}, skills=("answer", "other")).run(staged_task(*stages, **more))
    first, second = world.children
    assert (first.root_id, first.parent_id, first.stage) == ("t1", "t1", "a")
    assert (first.timeout_ms, first.skill, second.skill) == (500, "answer", "other")
    assert (first.seed, second.seed) == (7, 8)
    assert (first.tenant, first.session, first.priority) == ("acme", "s", 2)
    # No policy of its own: that of its skill. Never the parent's, which has the stages.
    assert (first.HasField("policy"), second.HasField("policy")) == (False, True)
    # What it may use ends before its parent's time does.
    parent = world.events[0].message.panel_opened
    assert first.deadline_ms == parent.deadline_ms - 1_000
    assert {one.traceparent for one in world.published if one.topic == STAGES} == {TRACEPARENT}


def test_the_budget_is_one_for_all_stages() -> None:
    stages = [{"name": name} for name in "abc"]
    world = World({}).run(staged_task(*stages, budget={"assignmentsMax": 2}))
    assert [child.budget.assignments_max for child in world.children] == [2, 1]
    decision = world.decisions()["t1"]
    assert decision.status == d.DECISION_STATUS_OVER_BUDGET
    assert "2 assignments are spent, budget.assignments_max is 2" in decision.explanation
