"""Policies in files: one YAML file a skill, named SKILL.yaml. A file or a folder in, Policy
messages out; what cannot be read, or carried out, is a ConfigError that names the file, the place
in it and what to change.

A file holds the fields of a Policy as proto/comitia/v1/policy.proto names them, and may hold
`format`, the AnswerFormat that all tasks of the skill have: then what depends on it is seen here,
and not first with a task.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from google.protobuf import json_format
from google.protobuf.message import Message

from comitia.errors import ConfigError
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.policy_pb2 import Policy
from comitia.yaml_maps import NothingTwice

SUFFIXES = (".yaml", ".yml")
BYTES_MAX = 256 * 1024
# Says what is wrong with a policy whose answers have this format; its kind is None where not known.
Check = Callable[[Policy, AnswerFormat], Iterable[str]]
M = TypeVar("M", bound=Message)
# What json_format says of each level that it was in.
_LEVELS = re.compile(r"^(?:Failed to parse \w+ field: )+")


def read_policies(folder: Path, check: Check) -> dict[str, Policy]:
    """Skill -> policy, of every file of the folder. ConfigError tells of all that is wrong at once;
    also when there is no such folder.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    except OSError as error:
        raise ConfigError(f"policies: {folder} cannot be read: {error.strerror}") from error
    found: dict[str, Policy] = {}
    wrong: list[str] = []
    for path in paths:
        try:
            if path.stem in found:
                raise ConfigError(f"{path}: {path.stem} has two files; leave one of them out")
            found[path.stem] = read_policy(path, check)
        except ConfigError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return found


def read_policy(path: Path, check: Check) -> Policy:
    """The policy of one file. ConfigError names the file, each place and what to change."""
    try:
        if path.stat().st_size > BYTES_MAX:
            raise ConfigError(f"{path}: it is larger than {BYTES_MAX} bytes; shorten it")
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as a policy: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: it holds no policy; write fields such as `steps:` into it")
    answers = _parsed(path, data.pop("format", {}), AnswerFormat(), "format")
    policy = _parsed(path, data, Policy(), "policy")
    problems = list(check(policy, answers))
    if problems:
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    return policy


def _parsed(path: Path, data: Any, message: M, where: str) -> M:
    try:
        return json_format.ParseDict(data, message)
    except (json_format.ParseError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: {where}: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    """The first line says what and where; behind it may stand the fields that there are."""
    text = str(error)
    said = _LEVELS.sub("", text.splitlines()[0]).rstrip(". ")
    listed = text.partition("Available Fields")[2]
    if not listed:
        return said
    fields = re.findall(r"'(\w+)'", listed)
    snake = [re.sub(r"([A-Z])", lambda m: "_" + m[1].lower(), one) for one in fields]
    return f"{said}; use one of {', '.join(snake)}"


class _Loader(NothingTwice, yaml.SafeLoader):
    """YAML as people mean it: only true and false are no text."""


_Loader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))
