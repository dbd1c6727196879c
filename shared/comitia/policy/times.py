"""How a task's time is divided among its rounds. A policy and times in, deadlines out; pure.

Where a policy names no time, what is left is divided evenly among the rounds that may still be
held: the first vote, each round of a deliberation, and each judge.
"""

from comitia.v1.policy_pb2 import Policy
from comitia.v1.step_pb2 import Step


def first_deadline_ms(policy: Policy, appended_ms: int, deadline_ms: int) -> int:
    """Until when answers of the first vote count (broker's clock, epoch milliseconds)."""
    if policy.vote_timeout_ms:
        return min(deadline_ms, appended_ms + policy.vote_timeout_ms)
    later = sum(rounds_of(step) for step in policy.steps)
    return appended_ms + max(0, deadline_ms - appended_ms) // (1 + later)


def round_deadline_ms(policy: Policy, index: int, held: int, now_ms: int, deadline_ms: int) -> int:
    """Until when answers count of a round that the step at `index` opens at `now_ms`, having
    `held` rounds before; `deadline_ms`: of the task.
    """
    step = policy.steps[index]
    if step.HasField("timeout_ms"):
        return min(deadline_ms, now_ms + step.timeout_ms)
    left = rounds_of(step) - held + sum(rounds_of(one) for one in policy.steps[index + 1 :])
    return now_ms + max(0, deadline_ms - now_ms) // max(1, left)


def rounds_of(step: Step) -> int:
    """How many rounds of assignments a step may hold."""
    kind = step.WhichOneof("kind")
    if kind == "deliberation":
        return step.deliberation.rounds or 1
    return 1 if kind == "judge" else 0
