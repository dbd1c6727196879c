"""Is a policy one that can be carried out? A Policy in, the sentences about what to change out;
none when it is valid. What depends on who can be seated is seen there.
"""

from collections.abc import Iterator, Mapping

from comitia.methods import FORMATS, calibrates, methods_of, takes
from comitia.policy.check import ladder_problems
from comitia.policy.graph import format_of, stages_problems
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.policy_pb2 import SELECTION_BROADCAST, Method, Policy, Selection
from comitia_router.limits import Limits

# Of a longer list the first and the last are shown.
NAMES_MAX = 6
# Number -> name, of each enum that a policy may name.
_METHODS: Mapping[int, str] = {number: name for name, number in Method.items()}
_SELECTIONS: Mapping[int, str] = {number: name for name, number in Selection.items()}


def policy_problems(
    policy: Policy, given: AnswerFormat, limits: Limits, where: str = "policy"
) -> Iterator[str]:
    """What is wrong with a policy, those of its stages included. `given`: the format of the
    answers. `where`: the policy's path.
    """
    asked = given if given.WhichOneof("kind") else None
    yield from _panel(policy, given, limits, where)
    yield from ladder_problems(policy, asked, where)
    yield from stages_problems(policy, asked, where)
    for number, stage in enumerate(policy.stages):
        own = format_of(stage, given)
        yield from _panel(stage.policy, own, limits, f"{where}.stages[{number}].policy")


def _panel(policy: Policy, given: AnswerFormat, limits: Limits, where: str) -> Iterator[str]:
    """What is wrong with how one panel is seated and counted."""
    kind = given.WhichOneof("kind")
    yield from known(f"{where}.method", policy.method, _METHODS)
    yield from known(f"{where}.selection", policy.selection, _SELECTIONS)
    if policy.rounds > 1:
        yield (
            f"{where}.rounds: more than one round is a deliberation; list it among {where}.steps, "
            "and leave rounds 0"
        )
    if policy.samples > limits.samples_max:
        yield f"{where}.samples: {policy.samples} are too many; use at most {limits.samples_max}"
    if policy.seats_max > limits.seats_max:
        yield f"{where}.seats_max: {policy.seats_max} are too many; use at most {limits.seats_max}"
    if policy.selection == SELECTION_BROADCAST and policy.seats_max:
        yield (
            f"{where}.seats_max: with SELECTION_BROADCAST every agent of the skill sits; leave it "
            "0, or use SELECTION_SKILL"
        )
    if kind is not None and policy.method in _METHODS:
        yield from _method(policy.method, kind, where)
        yield from _target(policy, kind, where)
    yield from _quorum(policy, limits, where)


def _method(method: Method, kind: str, where: str) -> Iterator[str]:
    """Methods that do not exist take nothing."""
    if not takes(method, kind):
        taken = " or ".join(f"format.{one}" for one in FORMATS[method])
        yield (
            f"{where}.method: {_METHODS[method]} takes {taken}, the format is {kind}; use one of "
            f"{', '.join(methods_of(kind))}"
        )


def _target(policy: Policy, kind: str, where: str) -> Iterator[str]:
    target = policy.probability_target
    if not 0.0 <= target <= 1.0:
        yield (
            f"{where}.probability_target: {target:g} is no probability; give 0 to 1, 0 for no "
            "target"
        )
    elif target and not calibrates(policy.method, kind):
        yield (
            f"{where}.probability_target: {_METHODS[policy.method]} names no calibrated "
            f"probability for format.{kind}; use METHOD_LEARNED, or leave it 0"
        )
    elif target and policy.wait_for_all:
        yield (
            f"{where}.probability_target: with {where}.wait_for_all every seat is waited for; "
            "leave one of them out"
        )


def _quorum(policy: Policy, limits: Limits, where: str) -> Iterator[str]:
    """The part that is known before the panel: seating checks the rest."""
    seats = min(policy.seats_max or limits.seats_max, limits.seats_max)
    ballots_max = seats * min(policy.samples or 1, limits.samples_max)
    if policy.quorum > ballots_max:
        yield (
            f"{where}.quorum: {policy.quorum} ballots are more than the panel can cast "
            f"({ballots_max}); lower it, or raise {where}.seats_max"
        )


def known(field: str, number: int, names_of: Mapping[int, str]) -> Iterator[str]:
    """What is wrong with a number that should be one of an enum."""
    if number not in names_of:
        names = [f"{value} ({name})" for value, name in names_of.items()]
        if len(names) > NAMES_MAX:
            names[1:-1] = ["..."]
        yield f"{field}: there is no {number}; use one of {', '.join(names)}"
