"""Another policy to decide by, as a person gives it to `redecide`: what it changes of a recorded
one.

In: a method's name, proto3 JSON, or a file of YAML or JSON with Policy's fields. Out: a `Change`.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from google.protobuf.json_format import ParseDict, ParseError

from comitia.errors import ConfigError
from comitia.policy.check import ladder_problems
from comitia.v1.policy_pb2 import Method, Policy

METHODS: tuple[str, ...] = tuple(Method.keys())
# What has happened already: who sat there, and what they were asked.
_PAST = {
    "rounds", "samples", "selection", "seats_max", "vote_timeout_ms", "roles", "stages",
}  # fmt: skip
_HINT = 'write a method such as learned, {"method": "learned", "waitForAll": false}, or a file'


@dataclass(frozen=True)
class Change:
    """`names`: the fields of `policy` that take the place of the recorded ones; all others stay."""

    policy: Policy
    names: frozenset[str]

    def on(self, recorded: Policy) -> Policy:
        """The recorded policy with the change in it."""
        changed = Policy()
        changed.CopyFrom(recorded)
        for name in self.names:
            changed.ClearField(name)
        changed.MergeFrom(self.policy)
        return changed


def read_change(given: str) -> Change:
    """`given` "": nothing changes. ConfigError says what is wrong with it."""
    if not given:
        return Change(Policy(), frozenset())
    fields = _fields(given)
    if isinstance(fields.get("method"), str):
        fields = {**fields, "method": _method(str(fields["method"]))}
    try:
        policy = ParseDict(fields, Policy())
    except ParseError as error:
        raise ConfigError(f"--policy: {error}; {_HINT}") from error
    names = frozenset(re.sub("([A-Z])", r"_\1", name).lower() for name in fields)
    if past := sorted(names & _PAST):
        raise ConfigError(
            f"--policy: {past[0]} cannot be changed afterwards, the panels were seated and asked"
            " already: method, quorum, steps, waitForAll and probabilityTarget can"
        )
    if problem := next(ladder_problems(policy, None), ""):
        raise ConfigError(f"--policy: {problem}")
    return Change(policy, names)


def _fields(given: str) -> dict[str, object]:
    text, path = given, Path(given)
    if not given.lstrip().startswith("{"):
        if not path.is_file():
            return {"method": given}
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--policy: {path} cannot be read: {error}") from error
    try:
        # JSON is YAML.
        fields = json.loads(text) if text is given else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"--policy: {error}; {_HINT}") from error
    if not isinstance(fields, dict) or not all(isinstance(name, str) for name in fields):
        raise ConfigError(f"--policy holds no fields of a Policy; {_HINT}")
    # A file of a skill may name the format of its answers, to be checked by.
    return {name: field for name, field in fields.items() if name != "format"}


def _method(name: str) -> str:
    """ "learned" is METHOD_LEARNED."""
    full = name.upper().replace("-", "_")
    full = full if full.startswith("METHOD_") else f"METHOD_{full}"
    if full not in METHODS:
        known = ", ".join(one.removeprefix("METHOD_").lower() for one in METHODS[1:])
        raise ConfigError(f"--policy: {name!r} is neither a file nor a method; those are {known}")
    return full
