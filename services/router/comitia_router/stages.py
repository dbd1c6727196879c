"""What is asked of a task with stages, and of a stage, beyond what is asked of every task. A task
in, the sentences about what to change out. Whether its stages make a graph is seen with its policy.
"""

from collections.abc import Iterator

from comitia.v1.policy_pb2 import Policy
from comitia.v1.task_pb2 import Task

TASK_ID_CHARACTERS_MAX = 128
# ":" and a stage's name, up to 32 characters, ":" and how often it was entered, one digit.
CHILD_CHARACTERS = 36


def id_problems(task: Task, policy: Policy) -> Iterator[str]:
    """Whether the ids of its stages fit where ids do."""
    characters_max = TASK_ID_CHARACTERS_MAX - CHILD_CHARACTERS
    if policy.stages and len(task.id) > characters_max:
        yield (
            f"id: it has {len(task.id)} characters; with policy.stages use at most "
            f"{characters_max}, for each stage has an id that begins with it"
        )


def child_problems(task: Task, policy: Policy) -> Iterator[str]:
    """What the policy of a stage cannot hold: it would be carried out by nobody."""
    if policy.stages:
        yield (
            f"policy.stages: stage {task.stage} has stages itself, by the policy of its skill; "
            "give the stage a policy of its own"
        )
    if any(step.WhichOneof("kind") == "person" for step in policy.steps):
        yield (
            f"policy.steps: stage {task.stage} may be left to a person, which only a task may; "
            "give the stage a policy without such a step"
        )
