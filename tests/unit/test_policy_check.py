"""Bad policies: each is named by its path, with what to change."""

import pytest
from google.protobuf import json_format

from comitia.policy.check import ladder_problems
from comitia.policy.graph import stages_problems
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.policy_pb2 import Policy
from tests.unit.ladder_world import ladder

CHOICE = AnswerFormat()
json_format.ParseDict({"choice": {"options": [{"id": "a"}, {"id": "b"}]}}, CHOICE)
SCHEMA = '{"properties": {"total": {"type": "number"}, "colour": {"enum": ["red", "blue"]}}}'
JSON = AnswerFormat()
JSON.json.schema = SCHEMA
RANKING = AnswerFormat()
json_format.ParseDict({"ranking": {"options": [{"id": "a"}, {"id": "b"}]}}, RANKING)
NUMBER, TEXT = AnswerFormat(), AnswerFormat()
NUMBER.number.unit, TEXT.text.tokens_max = "EUR", 10
VETO = {"name": "v", "veto": {"voter": {"agent": "ann"}}}


def rules(*table: object) -> Policy:
    return ladder({"rules": {"rules": list(table)}})


def person(value: object) -> Policy:
    return ladder({"person": {"expiry": "EXPIRY_VALUE", "value": value}})


RANKED = {"ranking": {"tiers": [{"optionIds": ["a"]}]}}
GOOD = [
    (person({"ranking": {"tiers": [{"optionIds": ["b", "a"]}]}}), RANKING),
    (ladder({"deliberation": {}}, {"judge": {"swap": True}}, {"person": {}}), CHOICE),
    (ladder({"negotiation": {"reservation": 0.2}}), JSON),
    (rules(VETO, {"name": "b", "bounds": {"field": "/total", "min": 0}}), JSON),
    (rules({"name": "g", "guardWords": {"words": ["never"]}}), TEXT),
    (rules({"name": "o", "owner": {"voter": {"role": "expert"}, "optionIds": ["a"]}}), CHOICE),
    (ladder({"person": {"expiry": "EXPIRY_VALUE", "value": {"optionId": "b"}}}), CHOICE),
    (Policy(), CHOICE),
]
BAD = [
    (ladder({}), CHOICE, "policy.steps[0]: it does nothing", "deliberation, negotiation"),
    (ladder({"judge": {}}, {"judge": {}}), CHOICE, "policy.steps: 2 steps are called 'judge'",
     "name of its own"),
    (ladder({"name": "The Judge", "judge": {}}), CHOICE, "policy.steps[0].name: 'The Judge'",
     "a-z 0-9 -"),
    (ladder(*({"name": f"s{n}", "judge": {}} for n in range(9))), CHOICE,
     "policy.steps: 9 are too many", "at most 8"),
    (ladder({"judge": {}, "tokensMax": "0"}), CHOICE, "policy.steps[0].tokens_max: with 0",
     "leave it out"),
    (ladder({"judge": {}, "timeoutMs": 0}), CHOICE, "policy.steps[0].timeout_ms: in 0 ms",
     "leave it out"),
    (ladder({"judge": {}, "when": {"marginBelow": 0}}), CHOICE,
     "policy.steps[0].when.margin_below: 0 ", "above 0"),
    (ladder({"judge": {}, "when": {"probabilityBelow": 1.5}}), CHOICE,
     "policy.steps[0].when.probability_below: 1.5", "at most 1"),
    (ladder({"judge": {}, "when": {"always": True, "marginBelow": 0.5}}), CHOICE,
     "policy.steps[0].when.always", "leave one"),
    (ladder({"deliberation": {"rounds": 3}}), CHOICE, "policy.steps[0].deliberation.rounds: 3",
     "at most 2"),
    (ladder({"deliberation": {"peersMax": 99}}), CHOICE, "policy.steps[0].deliberation.peers_max",
     "at most 32"),
    (ladder({"deliberation": {"peers": 9}}), CHOICE, "policy.steps[0].deliberation.peers: there",
     "PEERS_ALL"),
    (ladder({"negotiation": {}}), CHOICE, "policy.steps[0].negotiation: it is over", "format.json"),
    (ladder({"negotiation": {"reservation": 1}}), JSON,
     "policy.steps[0].negotiation.reservation: 1", "0 to below 1"),
    (ladder({"judge": {"agents": ["ann", ""]}}), CHOICE,
     "policy.steps[0].judge.agents[1]: ''", "a-z 0-9 -"),
    (person(RANKED), RANKING, "policy.steps[0].person.value: it does not rank", "each of a, b"),
    (ladder({"judge": {"agents": ["ann", "bob", "ann"]}}), CHOICE,
     "policy.steps[0].judge.agents: 'ann' stands there 2 times", "once"),
    (ladder({"judge": {"agents": ["ann"], "judges": 2}}), CHOICE, "policy.steps[0].judge.judges",
     "name more"),
    (ladder({"judge": {"judges": 6}}), CHOICE, "policy.steps[0].judge.judges: 6", "at most 5"),
    (ladder({"person": {}}, {"judge": {}}), CHOICE, "policy.steps[0].person: it is where",
     "behind the other steps"),
    (ladder({"person": {"expiry": "EXPIRY_VALUE"}}), CHOICE, "policy.steps[0].person.value",
     "EXPIRY_VALUE needs one"),
    (ladder({"person": {"expiry": "EXPIRY_VALUE", "value": {"number": 1}}}), CHOICE,
     "policy.steps[0].person.value: it is number, answers are option_id", "their kind"),
    (ladder({"person": {"expiry": "EXPIRY_VALUE", "value": {"optionId": "z"}}}), CHOICE,
     "policy.steps[0].person.value: 'z' is none", "a, b"),
    (ladder({"person": {"expiry": "EXPIRY_VALUE", "value": {"number": 9}}}),
     AnswerFormat(number={"min": 0, "max": 5}),
     "policy.steps[0].person.value: 9 is outside format.number (0 to 5)", "within"),
    (ladder({"person": {"expiry": "EXPIRY_VALUE", "value": {"number": "NaN"}}}), NUMBER,
     "policy.steps[0].person.value: nan", "finite"),
    (ladder({"person": {"expiry": "EXPIRY_VALUE", "value": {"json": "{"}}}), JSON,
     "policy.steps[0].person.value.json: it is no JSON", "write a value"),
    (rules({"name": "g", "guardWords": {}}), TEXT,
     "policy.steps[0].rules.rules[0].guard_words.words: it has 0", "1 to 256"),
    (ladder({"person": {"expiresMs": "9999999999"}}), CHOICE,
     "policy.steps[0].person.expires_ms", "30 days"),
    (rules(), CHOICE, "policy.steps[0].rules.rules: it has 0", "1 to 32"),
    (rules(VETO, VETO), CHOICE, "policy.steps[0].rules.rules: 2 rules are called 'v'", "own"),
    (rules({"name": "v", "veto": {"voter": {}}}), CHOICE,
     "policy.steps[0].rules.rules[0].veto.voter", "one of agent and role"),
    (rules({"name": "v"}), CHOICE, "policy.steps[0].rules.rules[0]: it says nothing", "veto"),
    (rules({**VETO, "effect": "RULE_EFFECT_PERSON"}), CHOICE,
     "policy.steps[0].rules.rules[0].effect", "needs a person step"),
    (rules({"name": "b", "bounds": {"field": "/prize", "max": 9}}), JSON,
     "policy.steps[0].rules.rules[0].bounds.field: the schema", "has nothing at '/prize'"),
    (rules({"name": "b", "bounds": {"field": "total", "max": 9}}), JSON,
     "policy.steps[0].rules.rules[0].bounds.field", "'/total'"),
    (rules({"name": "b", "bounds": {"max": 9}}), JSON,
     "policy.steps[0].rules.rules[0].bounds.field", "such as '/total'"),
    (rules({"name": "b", "bounds": {"max": 9}}), CHOICE,
     "policy.steps[0].rules.rules[0].bounds: answers of format.choice", "number or json"),
    (rules({"name": "b", "bounds": {"min": "NaN"}}), NUMBER,
     "policy.steps[0].rules.rules[0].bounds.min: nan", "finite number"),
    (rules({"name": "b", "bounds": {"max": "Infinity"}}), NUMBER,
     "policy.steps[0].rules.rules[0].bounds.max: inf", "finite number"),
    (rules({"name": "v", "veto": {"voter": {"agent": "Ann"}}}), CHOICE,
     "policy.steps[0].rules.rules[0].veto.voter.agent: 'Ann'", "a-z 0-9 -"),
    (rules({"name": "b", "bounds": {"min": 9, "max": 1}}), NUMBER,
     "policy.steps[0].rules.rules[0].bounds: min 9 is above max 1", "exchange"),
    (rules({"name": "g", "guardWords": {"words": ["x"]}}), CHOICE,
     "policy.steps[0].rules.rules[0].guard_words: answers of format.choice", "text or json"),
    (rules({"name": "o", "owner": {"voter": {"agent": "a"}, "optionIds": ["z"]}}), CHOICE,
     "policy.steps[0].rules.rules[0].owner.option_ids: 'z'", "none of the options"),
    (ladder(roles=[{"role": "critik", "seats": 1}]), CHOICE,
     "policy.roles[0].role: 'critik' is no role", "solver, critic, expert, summariser"),
    (ladder(roles=[{"role": "critic", "seats": 1}, {"role": "critic", "seats": 1}]), CHOICE,
     "policy.roles: 2 roles are called 'critic'", "once"),
    (ladder(roles=[{"role": "critic"}]), CHOICE, "policy.roles[0].seats: 0", "1 or more"),
    (ladder(roles=[{"role": "critic", "seats": 3}], seatsMax=2), CHOICE, "policy.roles: they ask",
     "raise policy.seats_max"),
    (ladder(voteTimeoutMs=5), CHOICE, "policy.vote_timeout_ms: no step follows", "leave it 0"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "given"), GOOD)
def test_good_ladders_pass(policy: Policy, given: AnswerFormat) -> None:
    assert list(ladder_problems(policy, given)) == []
    assert list(ladder_problems(policy, None)) == [], "nor where the format is not known yet"


@pytest.mark.parametrize(("policy", "given", "start", "advice"), BAD)
def test_bad_ladders_are_told_where_and_what_to_change(
    policy: Policy, given: AnswerFormat, start: str, advice: str
) -> None:
    found = list(ladder_problems(policy, given))
    assert len(found) == 1, found
    assert found[0].startswith(start) and advice in found[0], found[0]


def staged(*stages: object, **more: object) -> Policy:
    return json_format.ParseDict({"stages": list(stages), **more}, Policy())


LOOP = ({"name": "solve", "entriesMax": 2},
        {"name": "check", "entriesMax": 2,
         "next": [{"values": [{"optionId": "b"}], "stage": "solve"}, {}]})  # fmt: skip


def test_a_bounded_loop_passes() -> None:
    assert list(stages_problems(staged(*LOOP), CHOICE)) == []
    assert list(stages_problems(Policy(), CHOICE)) == []


@pytest.mark.parametrize(
    ("policy", "start", "advice"),
    [
        (staged(LOOP[0], {**LOOP[1], "entriesMax": None}),
         "policy.stages[1].entries_max: 'check' stands on a cycle", "1 to 8"),
        (staged(LOOP[0], {**LOOP[1], "entriesMax": 0}),
         "policy.stages[1].entries_max: 0 is not possible", "1 to 8"),
        (staged({"name": "a"}, {"name": "a"}), "policy.stages: 2 stages are called 'a'", "own"),
        (staged({"name": "a", "next": [{"stage": "z"}]}),
         "policy.stages[0].next[0].stage: there is no stage 'z'", "use one of a"),
        (staged({"name": "a", "next": [{}]}, {"name": "b"}),
         "policy.stages[1]: no stage leads to 'b'", "leave it out"),
        (staged({"name": "A b"}), "policy.stages[0].name: 'A b'", "a-z 0-9 -"),
        (staged({"name": "input"}), "policy.stages[0].name: {input} stands", "another name"),
        (staged({"name": "a", "input": "{nobody}"}),
         "policy.stages[0].input: there is no stage 'nobody'", "{input}"),
        (staged({"name": "a", "policy": {"steps": [{"person": {}}]}}),
         "policy.stages[0].policy.steps[0].person: a stage cannot wait", "leave it out"),
        (staged({"name": "a", "policy": {"stages": [{"name": "b"}]}}),
         "policy.stages[0].policy.stages: a stage is one panel", "beside it"),
        (staged({"name": "a", "timeoutMs": 0}), "policy.stages[0].timeout_ms: in 0", "leave it"),
        (staged({"name": "a"}, steps=[{"judge": {}}]), "policy.steps: a policy of stages",
         "policy.stages[].policy"),
        (staged({"name": "a", "next": [{"values": [{"number": 2}]}]}),
         "policy.stages[0].next[0].values[0]: it is number", "their kind"),
        (staged(*({"name": f"s{n}"} for n in range(17))), "policy.stages: 17 are too many", "16"),
    ],
)  # fmt: skip
def test_bad_graphs_are_told_where_and_what_to_change(
    policy: Policy, start: str, advice: str
) -> None:
    found = list(stages_problems(policy, CHOICE))
    assert len(found) == 1, found
    assert found[0].startswith(start) and advice in found[0], found[0]
