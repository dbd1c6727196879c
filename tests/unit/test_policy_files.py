"""Policies in files: what a router makes of them, and what it says of those that are wrong."""

import re
from pathlib import Path

import pytest

from comitia.config import RouterSettings, load
from comitia.effects import Publish, Recorded
from comitia.errors import ConfigError
from comitia.policy.files import read_policies, read_policy
from comitia.topics import Names
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import DECISION_STATUS_REJECTED
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.policy_pb2 import Policy
from comitia.v1.step_pb2 import PEERS_OPPONENTS
from comitia.v1.task_pb2 import Task
from comitia_router.handler import Router
from comitia_router.limits import Limits
from comitia_router.main import policies_of
from comitia_router.policies import policy_problems
from tests.sim.events import SKILL, make_task

ROOT = Path(__file__).parents[2]
GOOD = "steps:\n  - deliberation: {rounds: 2}\n  - person: {}\n"


def problems(policy: Policy, answers: AnswerFormat) -> list[str]:
    return list(policy_problems(policy, answers, Limits()))


def settings(folder: Path | str) -> RouterSettings:
    found = {"bootstrap": "broker:9092", "policies": str(folder)}
    return load(RouterSettings, found)


def said_of(folder: Path, text: str) -> str:
    path = folder / "s.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_policy(path, problems)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps: [{judge: {agent: x}}]", r'"agent" at "Policy.steps\[0\].judge"; use one of skill'),
        ("stepz: []", r'"stepz" at "Policy"; use one of quorum, method'),
        ("steps: [{judge: {}, person: {}}]", r'multiple "kind".*Policy.steps\[0\]'),
        ("method: METHOD_LUCK", "METHOD_LUCK.*Policy.method"),
        ("quorum: some", "quorum|some"),
        ("steps: {judge: {}}", "must be in"),
        ("quorum: 1\nquorum: 2", "'quorum' stands twice"),
        ("- judge: {}", "holds no policy"),
        ("", "holds no policy"),
        ("steps: [", "cannot be read as a policy"),
        ("steps: [{judge: {}, tokens_max: 0}]", r"policy.steps\[0\].tokens_max: with 0 tokens"),
        ("steps: [{judge: {}, timeout_ms: 0}]", r"policy.steps\[0\].timeout_ms: in 0 ms"),
        ("roles: [{role: critik, seats: 1}]", "'critik' is no role"),
        ("steps: [{judge: {agents: [a, a]}}]", "'a' stands there 2 times"),
        ("stages: [{name: a, next: [{stage: a}]}]", "'a' stands on a cycle"),
        (
            'format: {json: {schema: \'{"properties": {"total": {}}}\'}}\n'
            "steps: [{rules: {rules: [{name: r, bounds: {field: /prize, max: 1}}]}}]",
            "has nothing at '/prize'",
        ),
        ("format: {jzon: {}}", r'format: .*"jzon" at "AnswerFormat"'),
    ],
)
def test_a_bad_file_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    assert re.search(says, said_of(tmp_path, text))


def test_only_true_and_false_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "stages:\n"
        "  - {name: check, next: [{values: [{option_id: no}]}, {}],"
        " format: {choice: {options: [{id: yes}, {id: no}]}}, policy: {wait_for_all: true}}\n"
    )
    policy = read_policy(path, problems)
    assert policy.stages[0].next[0].values[0].option_id == "no"
    assert policy.stages[0].policy.wait_for_all


def test_a_folder_tells_of_all_that_is_wrong_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("steps: [{}]")
    (tmp_path / "b.yml").write_text("quorum: x")
    (tmp_path / "c.yaml").write_text(GOOD)
    (tmp_path / "c.yml").write_text(GOOD)
    with pytest.raises(ConfigError) as caught:
        policies_of(settings(tmp_path), Limits())
    lines = str(caught.value).splitlines()
    assert [Path(line.partition(":")[0]).name for line in lines] == ["a.yaml", "b.yml", "c.yml"]
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        policies_of(settings(tmp_path / "none"), Limits())
    assert policies_of(settings(""), Limits()) == {}


def routed(task: Task, policies: dict[str, Policy]) -> PanelEvent:
    router = Router(Names(), Limits(), lambda key: 0, "r", policies=policies)
    for name in ("ann", "bob"):
        router.agents.learn(AgentCard(name=name, version=1, skills=[SKILL], no_heartbeat=True))
        router.agents.open_inbox(name)
    effects = router.on_task(Recorded(task, "t", 0, 0, 1_000_000), 1_000_000)
    messages = [effect.message for effect in effects if isinstance(effect, Publish)]
    (event,) = (one for one in messages if isinstance(one, PanelEvent))
    for one in messages:
        if isinstance(one, Assignment):
            opened = event.panel_opened
            counts = opened.policy if opened.HasField("policy") else opened.task.policy
            assert one.task.policy == counts, "agents are told the policy that counts"
    return event


def test_the_policy_of_a_skill_holds_for_tasks_that_name_none(tmp_path: Path) -> None:
    (tmp_path / f"{SKILL}.yaml").write_text(GOOD)
    policies = read_policies(tmp_path, problems)
    task = make_task()
    task.ClearField("policy")
    opened = routed(task, policies).panel_opened
    assert opened.task == task, "the task stays what was published"
    assert opened.policy == policies[SKILL]
    assert opened.round_deadline_ms < opened.deadline_ms
    own = make_task()
    opened = routed(own, policies).panel_opened
    assert not opened.HasField("policy") and not opened.round_deadline_ms


def test_a_skill_whose_policy_does_not_fit_a_task_refuses_it_and_says_whose_it_is() -> None:
    policy = Policy()
    policy.steps.add().negotiation.rounds = 5
    task = make_task()
    task.ClearField("policy")
    refused = routed(task, {SKILL: policy}).task_refused
    assert refused.status == DECISION_STATUS_REJECTED
    assert refused.reason.startswith("policy.steps[0].negotiation: it is over the issues")
    assert f"that of skill '{SKILL}'" in refused.reason
    assert not refused.task.HasField("policy")


def test_the_policies_of_the_examples_can_be_carried_out() -> None:
    found = read_policies(ROOT / "examples" / "policies", problems)
    assert set(found) == {"answer", "offer", "sentiment"}
    kinds = {step.WhichOneof("kind") for one in found.values() for step in one.steps}
    assert kinds == {"deliberation", "negotiation", "judge", "rules", "person"}
    assert found["sentiment"].steps[0].deliberation.peers == PEERS_OPPONENTS
    assert [stage.name for stage in found["answer"].stages][-1] == "write"
