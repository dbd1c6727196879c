"""Is a ladder one that can be walked? A policy and the format of the answers in, the sentences
about what to change out; none when it is valid.

Each sentence begins with the field's path, says what is wrong there and what to write instead. The
format is None where it is not known yet: for a skill's policy in a file, which tasks of several
formats may meet; what depends on the format is seen then with each task.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence

from comitia.methods import VALUE_KINDS
from comitia.policy.check_rules import rules_problems
from comitia.policy.names import duplicates, name_problem, one_of
from comitia.policy.schema import enumerated
from comitia.v1.format_pb2 import AnswerFormat, NumberFormat
from comitia.v1.policy_pb2 import Policy
from comitia.v1.rule_pb2 import RULE_EFFECT_PERSON
from comitia.v1.step_pb2 import EXPIRY_VALUE, Concession, Condition, Expiry, Peers, Step
from comitia.v1.value_pb2 import Value

STEPS_MAX = 8
ROLES_MAX = 8
DELIBERATION_ROUNDS_MAX = 2
PEERS_MAX = 32
OFFERS_MAX = 1_000
JUDGES_MAX = 5
EXPIRES_MS_MAX = 30 * 24 * 3_600_000
ROLES = ("solver", "critic", "expert", "summariser")


def ladder_problems(
    policy: Policy, given: AnswerFormat | None, where: str = "policy", *, stage: bool = False
) -> Iterator[str]:
    """What is wrong with the steps and roles of a policy. `where`: its path. `stage`: it is that of
    a stage, which nobody can settle.
    """
    if len(policy.steps) > STEPS_MAX:
        yield f"{where}.steps: {len(policy.steps)} are too many; use at most {STEPS_MAX}"
    names = [step.name or step.WhichOneof("kind") or "" for step in policy.steps]
    yield from duplicates(f"{where}.steps", names, "steps", "give each a name of its own")
    for number, step in enumerate(policy.steps):
        yield from _step(step, given, f"{where}.steps[{number}]")
    yield from _person(policy, where, stage)
    yield from _roles(policy, where)
    if policy.vote_timeout_ms and not policy.steps:
        yield (
            f"{where}.vote_timeout_ms: no step follows the vote, which then has all of the task's "
            "time; leave it 0"
        )


def _step(step: Step, given: AnswerFormat | None, where: str) -> Iterator[str]:
    kind = step.WhichOneof("kind")
    if kind is None:
        yield (
            f"{where}: it does nothing; set one of deliberation, negotiation, judge, rules, person"
        )
        return
    if step.name:
        yield from name_problem(f"{where}.name", step.name)
    yield from _condition(step.when, f"{where}.when")
    if step.HasField("tokens_max") and step.tokens_max == 0:
        yield f"{where}.tokens_max: with 0 tokens it is never taken; give it some, or leave it out"
    if step.HasField("timeout_ms") and step.timeout_ms == 0:
        yield f"{where}.timeout_ms: in 0 ms nobody answers; give it some, or leave it out"
    if kind == "deliberation":
        yield from _deliberation(step, f"{where}.deliberation")
    elif kind == "negotiation":
        yield from _negotiation(step, given, f"{where}.negotiation")
    elif kind == "judge":
        yield from _judge(step, f"{where}.judge")
    elif kind == "rules":
        yield from rules_problems(step.rules, given, f"{where}.rules")
    else:
        yield from _expiry(step, given, f"{where}.person")


def _condition(when: Condition, where: str) -> Iterator[str]:
    for name in ("margin_below", "probability_below"):
        if when.HasField(name) and not 0.0 < (bound := getattr(when, name)) <= 1.0:
            yield f"{where}.{name}: {bound:g} is not possible; give a number above 0, at most 1"
    others = when.undecided or when.HasField("margin_below") or when.HasField("probability_below")
    if when.always and others:
        yield f"{where}.always: it holds whatever the rest says; leave one of them out"


def _deliberation(step: Step, where: str) -> Iterator[str]:
    talk = step.deliberation
    if talk.rounds > DELIBERATION_ROUNDS_MAX:
        yield f"{where}.rounds: {talk.rounds} are too many; use at most {DELIBERATION_ROUNDS_MAX}"
    if talk.peers_max > PEERS_MAX:
        yield f"{where}.peers_max: {talk.peers_max} are too many; use at most {PEERS_MAX}"
    yield from one_of(f"{where}.peers", talk.peers, Peers)


def _negotiation(step: Step, given: AnswerFormat | None, where: str) -> Iterator[str]:
    asked = step.negotiation
    if asked.rounds > OFFERS_MAX:
        yield f"{where}.rounds: {asked.rounds} are too many; use at most {OFFERS_MAX}"
    yield from one_of(f"{where}.concession", asked.concession, Concession)
    if not 0.0 <= asked.reservation < 1.0:
        yield f"{where}.reservation: {asked.reservation:g} is not possible; give 0 to below 1"
    if given is None:
        return
    if given.WhichOneof("kind") != "json":
        yield (
            f"{where}: it is over the issues of a JSON answer, the format is "
            f"{given.WhichOneof('kind')}; use format.json, or another step"
        )
    elif not enumerated(given.json.schema):
        yield (
            f"{where}: format.json.schema has no property that is an enumeration; the issues are "
            'properties such as {"colour": {"enum": ["red", "blue"]}}'
        )


def _judge(step: Step, where: str) -> Iterator[str]:
    judge = step.judge
    for name, count in Counter(judge.agents).items():
        if count > 1:
            yield f"{where}.agents: {name!r} stands there {count} times; name each judge once"
    for number, name in enumerate(judge.agents):
        yield from name_problem(f"{where}.agents[{number}]", name)
    if judge.judges > JUDGES_MAX:
        yield f"{where}.judges: {judge.judges} are too many; use at most {JUDGES_MAX}"
    elif judge.agents and judge.judges > len(set(judge.agents)):
        yield (
            f"{where}.judges: {judge.judges} judges are wanted, {len(set(judge.agents))} are named;"
            " lower it, or name more"
        )


def _expiry(step: Step, given: AnswerFormat | None, where: str) -> Iterator[str]:
    person = step.person
    if person.expires_ms > EXPIRES_MS_MAX:
        yield f"{where}.expires_ms: {person.expires_ms} is more than 30 days ({EXPIRES_MS_MAX})"
    yield from one_of(f"{where}.expiry", person.expiry, Expiry)
    if person.expiry == EXPIRY_VALUE and not person.HasField("value"):
        yield f"{where}.value: EXPIRY_VALUE needs one; write what it is decided with then"
    elif person.HasField("value") and person.expiry != EXPIRY_VALUE:
        yield f"{where}.value: it is used with EXPIRY_VALUE alone; set expiry so, or leave it out"
    elif person.HasField("value") and given is not None:
        yield from value_problem(f"{where}.value", person.value, given)


def value_problem(where: str, value: Value, given: AnswerFormat) -> Iterator[str]:
    """What is wrong with a value that stands for an answer."""
    kind = given.WhichOneof("kind") or "text"
    wanted = VALUE_KINDS[kind]
    if value.WhichOneof("kind") != wanted:
        yield (
            f"{where}: it is {value.WhichOneof('kind') or 'empty'}, answers are {wanted}; "
            "give one of their kind"
        )
    elif kind == "choice":
        options = [option.id for option in given.choice.options]
        if value.option_id not in options:
            yield (
                f"{where}: {value.option_id!r} is none of the options; use one of {listed(options)}"
            )
    elif kind == "ranking":
        options = [option.id for option in given.ranking.options]
        ranked = [option for tier in value.ranking.tiers for option in tier.option_ids]
        if sorted(ranked) != sorted(options):
            yield f"{where}: it does not rank the options; name each of {listed(options)} once"
    elif kind == "number":
        yield from _number(where, value.number, given.number)
    elif kind == "json":
        try:
            json.loads(value.json)
        except ValueError as error:
            yield f"{where}.json: it is no JSON ({error}); write a value such as '{{}}'"


def _number(where: str, number: float, given: NumberFormat) -> Iterator[str]:
    low = given.min if given.HasField("min") else -math.inf
    high = given.max if given.HasField("max") else math.inf
    if not math.isfinite(number):
        yield f"{where}: {number} is no number that can be answered; give a finite one"
    elif not low <= number <= high:
        yield f"{where}: {number:g} is outside format.number ({low:g} to {high:g}); give one within"


def listed(names: Sequence[str]) -> str:
    """The first few of many names."""
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _person(policy: Policy, where: str, stage: bool) -> Iterator[str]:
    kinds = [step.WhichOneof("kind") for step in policy.steps]
    for number, kind in enumerate(kinds):
        if kind == "person" and stage:
            yield (
                f"{where}.steps[{number}].person: a stage cannot wait for a person, the next one "
                "needs its decision; leave it out, or ask with a task of its own"
            )
        elif kind == "person" and number + 1 < len(kinds):
            yield (
                f"{where}.steps[{number}].person: it is where the ladder ends; put it behind "
                "the other steps"
            )
    for number, step in enumerate(policy.steps):
        for place, rule in enumerate(step.rules.rules):
            if rule.effect == RULE_EFFECT_PERSON and "person" not in kinds:
                at = f"{where}.steps[{number}].rules.rules[{place}].effect"
                yield (
                    f"{at}: RULE_EFFECT_PERSON needs a person step; add one, or use another effect"
                )


def _roles(policy: Policy, where: str) -> Iterator[str]:
    if len(policy.roles) > ROLES_MAX:
        yield f"{where}.roles: {len(policy.roles)} are too many; use at most {ROLES_MAX}"
    names = [wanted.role for wanted in policy.roles]
    yield from duplicates(f"{where}.roles", names, "roles", "name each once")
    for number, wanted in enumerate(policy.roles):
        if wanted.role not in ROLES:
            yield (
                f"{where}.roles[{number}].role: {wanted.role!r} is no role; use one of "
                f"{', '.join(ROLES)} (a judge sits by a judge step)"
            )
        if wanted.seats == 0:
            yield f"{where}.roles[{number}].seats: 0 seats are none; give 1 or more"
    total = sum(wanted.seats for wanted in policy.roles)
    if policy.seats_max and total > policy.seats_max:
        yield (
            f"{where}.roles: they ask for {total} seats, the panel has {policy.seats_max}; lower "
            f"them, or raise {where}.seats_max"
        )
