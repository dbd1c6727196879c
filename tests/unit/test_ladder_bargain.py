"""Negotiation as a step: what agents tell of their utilities becomes one answer, or nothing."""

import json
from collections.abc import Mapping

from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, DECISION_STATUS_NO_QUORUM
from comitia.v1.task_pb2 import Task
from tests.sim.events import make_task
from tests.unit.ladder_world import Script, Story, ladder

SCHEMA = {
    "properties": {
        "price": {"enum": ["low", "high"]}, "colour": {"enum": ["red", "blue"]},
        "note": {"type": "string"},
    }
}  # fmt: skip
BARGAIN = {"negotiation": {"concession": "CONCESSION_LINEAR"}}
SELLER = {"price": {"high": 1.0, "low": 0.1}, "colour": {"red": 0.1, "blue": 0.0}}
BUYER = {"price": {"low": 0.1, "high": 0.0}, "colour": {"blue": 1.0, "red": 0.0}}


def asked() -> Task:
    task = make_task()
    task.format.json.schema = json.dumps(SCHEMA)
    return task


def wants(document: Mapping[str, str], worth: Mapping[str, Mapping[str, float]]) -> Script:
    def answer(assignment: Assignment) -> Answer:
        answer = Answer(assignment_id=assignment.id, agent=assignment.agent)
        answer.value.json = json.dumps(document)
        for issue, options in worth.items():
            for option, utility in options.items():
                answer.utilities.add(issue=issue, option=json.dumps(option), utility=utility)
        return answer

    return answer


def test_each_gives_way_where_it_costs_it_little() -> None:
    agents = [
        wants({"price": "high", "colour": "red", "note": "ours"}, SELLER),
        wants({"price": "low", "colour": "blue", "note": "theirs"}, BUYER),
    ]
    story = Story(ladder(BARGAIN), agents, task=asked()).run()
    decision = story.decision
    assert decision.status == DECISION_STATUS_DECIDED and decision.decided_by == "negotiation"
    made = json.loads(decision.value.json)
    assert (made["price"], made["colour"]) == ("high", "blue")
    assert made["note"] in ("ours", "theirs"), "what is no issue stays as it was answered"
    told = decision.steps[0].negotiation
    assert told.agreed and told.pareto_efficient
    assert told.nash_product == told.nash_product_max
    assert "agreed after" in decision.explanation


def test_without_an_agreement_the_result_stays() -> None:
    against = {"price": {"high": 1.0, "low": 0.0}}
    agents = [
        wants({"price": "high"}, against),
        wants({"price": "low"}, {"price": {"low": 1.0, "high": 0.0}}),
    ]
    policy = ladder({"negotiation": {"reservation": 0.5}})
    decision = Story(policy, agents, task=asked()).run().decision
    assert decision.status == DECISION_STATUS_NO_QUORUM
    assert not decision.steps[0].negotiation.agreed
    assert "no agreement after" in decision.steps[0].reason


def test_who_tells_nothing_is_no_party() -> None:
    agents = [wants({"price": "high"}, SELLER), wants({"price": "low"}, {})]
    decision = Story(ladder(BARGAIN), agents, task=asked()).run().decision
    assert not decision.steps[0].taken
    assert "fewer than two agents" in decision.explanation


def test_one_offer_each_is_hardly_a_negotiation() -> None:
    agents = [wants({"price": "high"}, SELLER), wants({"price": "low"}, BUYER)]
    policy = ladder({"negotiation": {"rounds": 1}})
    told = Story(policy, agents, task=asked()).run().decision.steps[0].negotiation
    assert told.offers == 1
