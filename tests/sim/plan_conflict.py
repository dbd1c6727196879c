"""Tasks of a simulation that do not end with one vote: ladders with rounds, judges, rules and a
person, and tasks in stages. In comes a task of the plan and chance; out comes its policy.
"""

from random import Random

from comitia.v1.policy_pb2 import Policy, Stage
from comitia.v1.step_pb2 import (
    EXPIRY_EXPIRE,
    EXPIRY_LEADER,
    EXPIRY_VALUE,
    PEERS_ALL,
    PEERS_ANONYMOUS,
    PEERS_NONE,
    PEERS_OPPONENTS,
    Step,
)
from comitia.v1.task_pb2 import Task

PEERS = (PEERS_ALL, PEERS_ANONYMOUS, PEERS_NONE, PEERS_OPPONENTS)
# An agent of every plan.
JUDGE = "a0"


def with_steps(chance: Random, policy: Policy) -> None:
    """Let a few steps follow the vote; often they are needed."""
    policy.wait_for_all = False
    for kind in chance.sample(["deliberation", "judge", "rules"], chance.choice([0, 1, 1, 2, 3])):
        step = policy.steps.add()
        _condition(chance, step)
        if kind == "deliberation":
            step.deliberation.rounds = chance.choice([0, 1, 2])
            step.deliberation.peers = chance.choice(PEERS)
        elif kind == "judge":
            step.judge.agents.append(JUDGE)
            step.judge.swap = chance.random() < 0.5
        else:
            rule = step.rules.rules.add(name="veto")
            rule.veto.voter.agent = JUDGE
        if chance.random() < 0.2:
            step.timeout_ms = chance.choice([100, 400, 2_000])
    if chance.random() < 0.6 or not policy.steps:
        _person(chance, policy.steps.add())


def in_stages(chance: Random, task: Task) -> None:
    """Two to four panels one after another; a check may lead back, twice at most."""
    task.policy.Clear()
    names = ["understand", "solve", "check", "write"][: chance.choice([2, 3, 4])]
    for name in names:
        stage = task.policy.stages.add(name=name)
        if chance.random() < 0.3:
            stage.input = "{input} Again?"
        if chance.random() < 0.2:
            stage.timeout_ms = chance.choice([300, 1_000])
        if chance.random() < 0.3:
            with_steps(chance, stage.policy)
            _without_person(stage)
    if "check" in names:
        solve, check = task.policy.stages[1], task.policy.stages[2]
        solve.entries_max = chance.choice([2, 3])
        check.entries_max = solve.entries_max
        back = check.next.add(stage="solve")
        back.values.add(option_id="b")
        if "write" in names:
            check.next.add(stage="write")
        else:
            check.next.add()


def _condition(chance: Random, step: Step) -> None:
    kind = chance.random()
    if kind < 0.3:
        step.when.always = True
    elif kind < 0.8:
        step.when.margin_below = chance.choice([0.3, 0.7, 1.0])


def _person(chance: Random, step: Step) -> None:
    _condition(chance, step)
    step.person.expires_ms = chance.choice([800, 3_000, 60_000])
    step.person.expiry = chance.choice([EXPIRY_EXPIRE, EXPIRY_LEADER, EXPIRY_VALUE])
    if step.person.expiry == EXPIRY_VALUE:
        step.person.value.option_id = "c"


def _without_person(stage: Stage) -> None:
    kept = [step for step in stage.policy.steps if step.WhichOneof("kind") != "person"]
    del stage.policy.steps[:]
    stage.policy.steps.extend(kept)
