"""What an answer may cost. An assignment and what its prompt costs at least in; tokens that are
left out, or an abstention's reason. Pure.
"""

from comitia.v1.assignment_pb2 import Assignment


class TooDear(Exception):
    """The prompt alone costs more than the answer may; the message says so."""


def affordable(assignment: Assignment, least_tokens: int) -> int | None:
    """Tokens left for an answer when its prompt has `least_tokens` without the input; None where
    the assignment has no limit. Raises TooDear where none are left.
    """
    if not assignment.tokens_max:
        return None
    left = int(assignment.tokens_max) - least_tokens
    if left <= 0:
        raise TooDear(
            f"the prompt alone has {least_tokens} tokens, without the input, and this answer may "
            f"cost {assignment.tokens_max}"
        )
    return left
