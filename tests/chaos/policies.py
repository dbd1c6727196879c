"""Policies of a chaos run that do not end with one vote. In comes a task's policy, out it goes with
steps or stages.
"""

from collections.abc import Callable, Mapping

from comitia.v1.policy_pb2 import Policy
from comitia.v1.step_pb2 import EXPIRY_LEADER

# Long enough for somebody to settle it, short enough for a run.
EXPIRES_MS = 8_000
MARGIN = 0.9


def ladder(policy: Policy) -> None:
    """Rounds of deliberation, then two judges' looks, where the vote was not all of one mind."""
    policy.wait_for_all = False
    talk = policy.steps.add()
    talk.when.margin_below = MARGIN
    talk.deliberation.rounds = 2
    judge = policy.steps.add()
    judge.when.margin_below = MARGIN
    judge.judge.agents.append("anna")
    judge.judge.swap = True


def person(policy: Policy) -> None:
    """Left to a person, whatever the vote says."""
    policy.wait_for_all = False
    step = policy.steps.add()
    step.when.always = True
    step.person.expires_ms = EXPIRES_MS
    step.person.expiry = EXPIRY_LEADER


def staged(policy: Policy) -> None:
    """Three panels; the check leads back to the second, three times at most."""
    policy.Clear()
    for name in ("understand", "solve", "check"):
        policy.stages.add(name=name)
    solve, check = policy.stages[1], policy.stages[2]
    solve.entries_max = check.entries_max = 3
    check.next.add(stage="solve").values.add(option_id="that")
    check.next.add()


POLICIES: Mapping[str, Callable[[Policy], None]] = {
    "ladder": ladder,
    "person": person,
    "staged": staged,
}
