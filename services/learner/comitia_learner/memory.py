"""The learner's memory of one skill as bytes, and back: what a Weights record carries for itself.

In comes a Skill with the offsets to go on from; out come bytes that hold all of it, compressed JSON
in which each name stands once. What cannot be read raises ValueError.
"""

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from comitia.consensus import one_coin
from comitia_learner.example import Judged
from comitia_learner.skill import ID_BYTES, Bounds, Skill

# Raised when a memory of before cannot be read any more.
FORMAT = 1
# Entity ("feedback", "decisions") and partition -> the next offset.
Offsets = Mapping[tuple[str, int], int]


def dump(skill: Skill, restart: Offsets) -> bytes:
    """`restart`: from where on a learner that finds this must read."""
    examples = skill.oldest_first()
    voters = sorted({*skill.seen, *(voter for one in examples for voter in one.voters)})
    choices = sorted({one.options for one in examples})
    voter_number = {voter: number for number, voter in enumerate(voters)}
    choice_number = {options: number for number, options in enumerate(choices)}
    document = {
        "format": FORMAT,
        "restart": [[*where, offset] for where, offset in sorted(restart.items())],
        "agreement": one_coin.dump(skill.agreement),
        "voters": voters,
        "seen": [[voter_number[voter], *place] for voter, place in sorted(skill.seen.items())],
        "compared": [[voter_number[v], count] for v, count in sorted(skill.compared.items())],
        "options": sorted(skill.options.items()),
        "feedback": skill.feedback,
        "decisions": skill.decisions,
        "ids": _text(b"".join(skill.ids)),
        "choices": choices,
        "examples": [
            [
                one.task_id,
                one.place,
                choice_number[one.options],
                one.correct,
                [voter_number[voter] for voter in one.voters],
                _text(one.votes),
            ]
            for one in examples
        ],
    }
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode())


def restore(memory: bytes, bounds: Bounds) -> tuple[Skill, Offsets]:
    """The skill and where to go on reading. ValueError when it cannot be read, with a sentence."""
    try:
        found = json.loads(zlib.decompress(memory))
        if found["format"] != FORMAT:
            raise ValueError(f"it has the format {found['format']}, this learner reads {FORMAT}")
        return _skill(found, bounds), {(e, p): offset for e, p, offset in found["restart"]}
    except (zlib.error, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"it is damaged: {error!r}") from error


def _skill(found: dict[str, Any], bounds: Bounds) -> Skill:
    voters = found["voters"]
    ids = b64decode(found["ids"])
    skill = Skill(
        bounds,
        one_coin.restore(found["agreement"]),
        ids={ids[at : at + ID_BYTES]: None for at in range(0, len(ids), ID_BYTES)},
        seen={voters[number]: (ms, p, offset) for number, ms, p, offset in found["seen"]},
        compared={voters[number]: count for number, count in found["compared"]},
        options=dict(found["options"]),
        feedback=found["feedback"],
        decisions=found["decisions"],
    )
    choices = [tuple(options) for options in found["choices"]]
    for task_id, (ms, partition, offset), choice, correct, numbers, votes in found["examples"]:
        own = tuple(voters[number] for number in numbers)
        skill.put(
            Judged(
                task_id, (ms, partition, offset), choices[choice], correct, own, b64decode(votes)
            )
        )
    return skill


def _text(data: bytes) -> str:
    return b64encode(data).decode()
