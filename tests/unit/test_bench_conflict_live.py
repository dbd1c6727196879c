"""The live table's items, cards and levelling: what is drawn is disjoint and right, what is written
is a card, and all arms end at the tokens of the dearest.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bench import conflict_cards, conflict_sets
from bench.conflict_arms import (
    BEST,
    CONSISTENT,
    DELIBERATION,
    VOTE,
    WITHHELD,
    Leveller,
    arms,
    tokens,
)
from bench.conflict_live import _record, goals
from bench.conflict_sets import EXAMPLES, TAUGHT, LiveSet, draw
from comitia.v1.decision_pb2 import Decision
from comitia.v1.task_pb2 import Task
from comitia.v1.value_pb2 import Value
from comitia_agent.card import read_card

COUNT = 20
WANTED = EXAMPLES + TAUGHT + COUNT


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of each layout, with just enough in it."""
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "commonsense_qa").mkdir()
    (tmp_path / "text_classification").mkdir()
    solved = [
        {"answer": f"She has {n} eggs, <<{n}+1={n + 1}>>{n + 1}, <<.5*4=2>>2, <<1/3*9=3>>3"}
        for n in range(WANTED)
    ]
    asked = [
        {"question": {"stem": f"Where are apples {n}?", "question_concept": "apples"}}
        for n in range(WANTED)
    ]
    _write(tmp_path / "gsm8k" / "test.jsonl", [json.dumps(row) for row in solved])
    _write(tmp_path / "commonsense_qa" / "dev.jsonl", [json.dumps(row) for row in asked])
    rows = [f"{n % 2} a film like {n}" for n in range(WANTED)]
    _write(tmp_path / "text_classification" / "films", [*rows, *rows])
    _write(tmp_path / "text_classification" / "questions", ["0 who", "1 what", "2 where"])
    return tmp_path


def _write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.mark.parametrize("name", list(conflict_sets.SOURCES))
def test_no_item_is_both_learned_from_and_measured(data: Path, name: str) -> None:
    one = draw(name, data, 3, COUNT)
    texts = [item.text for item in (*one.examples, *one.taught, *one.asked)]
    assert len(one.asked) == COUNT
    assert len(set(texts)) == len(texts) == WANTED
    assert one == draw(name, data, 3, COUNT)
    assert one != draw(name, data, 4, COUNT)


def test_a_calculation_is_of_two_whole_numbers(data: Path) -> None:
    one = draw("calculations", data, 1, COUNT)
    for item in one.asked:
        left, _, right = item.text.split()
        assert item.label == str(int(left) + int(right))
    assert one.right(Value(number=float(one.asked[0].label)), one.asked[0])
    assert not one.right(Value(number=-1.0), one.asked[0])
    assert not one.right(Value(), one.asked[0])


def test_chance_is_what_one_gets_without_looking(data: Path) -> None:
    by_label = Counter(item.label for item in draw("sentiment", data, 1, COUNT).asked)
    assert draw("sentiment", data, 1, COUNT).chance == max(by_label.values()) / COUNT
    # "where", "apples" and the number, where it has four digits: it has not.
    assert draw("concepts", data, 1, COUNT).chance == pytest.approx(1 / 2)


def test_a_set_that_is_too_small_is_refused(data: Path) -> None:
    with pytest.raises(ValueError, match=f"has {WANTED} items, concepts needs {WANTED + 1}"):
        draw("concepts", data, 1, COUNT + 1)


@pytest.mark.parametrize("name", list(conflict_sets.SOURCES))
def test_every_card_can_be_read_and_shows_nothing_that_is_measured(
    data: Path, tmp_path: Path, name: str
) -> None:
    one = draw(name, data, 1, COUNT)
    panel = conflict_cards.write(one, tmp_path / "agents")
    profiles = {path.stem: read_card(path) for path in (tmp_path / "agents").iterdir()}
    assert {*panel, conflict_cards.JUDGE} <= set(profiles)
    seated = {name for name, profile in profiles.items() if one.name in profile.skills}
    assert seated == {*panel, conflict_cards.JUDGE}
    for agent in panel:
        skills = profiles[agent].skills
        assert one.name in skills
        assert conflict_cards.alone(one.name, agent) in skills
        assert conflict_cards.sure(one, agent) in skills
    shown = {
        example.input
        for profile in profiles.values()
        for skill in profile.skills.values()
        for block in (skill.choice, skill.number, skill.text)
        if block is not None
        for example in block.examples
    }
    assert shown
    assert not shown & {item.text for item in (*one.taught, *one.asked)}


async def test_arms_end_at_the_tokens_of_the_dearest(data: Path) -> None:
    one = draw("calculations", data, 1, COUNT)
    asked: list[Task] = []

    async def ask(tasks: Sequence[Task]) -> Mapping[str, Decision]:
        asked.extend(tasks)
        return {task.id: _decision(task, one) for task in tasks}

    found = arms(one, "clerk")
    decided = await Leveller(one, 1, ask).run(found)
    spent = {arm: sum(map(tokens, each.values())) / COUNT for arm, each in decided.items()}
    mark = max(spent.values())
    assert list(spent) == [arm.name for arm in found]
    assert all(abs(spent[arm] / mark - 1) <= 0.05 for arm in spent if arm != BEST)
    assert spent[BEST] < mark / 5
    assert all(set(each) == set(range(COUNT)) for each in decided.values())
    # The same item under the same seed in every arm.
    seeds = {(task.seed, task.input.text) for task in asked}
    assert len(seeds) == COUNT
    assert len({task.id for task in asked}) == len(asked)


def _decision(task: Task, one: LiveSet) -> Decision:
    """100 tokens a sample of one agent, 400 of a panel; each second round on every other item."""
    decision = Decision(task_id=task.id)
    each = 400 if task.skill == one.name else 100
    often = 1 + len(task.policy.steps) * (task.seed % 2)
    decision.cost.prompt_tokens = each * (task.policy.samples or 1) * often
    return decision


def test_second_answers_are_compared_apart_from_first_ones_and_judges() -> None:
    def answers(*numbers: float, judge: float = 0) -> Decision:
        decision = Decision()
        for round_, number in enumerate(numbers, 1):
            decision.ballots.add(round=round_).value.number = number
        decision.ballots.add(round=2, role="judge", seat=1).value.number = judge
        return decision

    one = LiveSet("calculations", "number", (), (), (), 0.0)
    told = {0: answers(1, 1), 1: answers(2, 2), 2: answers(3), 3: answers(4, 4, judge=1)}
    alone = {0: answers(1, 9), 1: answers(9, 2), 2: answers(3), 3: answers(4, 8, judge=2)}
    figures = _record(one, {DELIBERATION: told, WITHHELD: alone})
    assert figures["second answers with and without peers"] == 3
    assert figures["share of second answers that peers change"] == 2 / 3
    assert figures["share of first answers that differ by chance"] == 1 / 4


def test_what_was_not_measured_is_no_goal_reached() -> None:
    assert {one["value"] for one in goals({})} == {None}
    assert len(goals({}, ["concepts"])) * 3 == len(goals({}))
    assert {CONSISTENT, VOTE} < {arm.name for arm in arms(_empty(), "clerk")}


def _empty() -> LiveSet:
    return LiveSet("calculations", "number", (), (), (), 0.0)
