"""The panels of the live table: cards of unequal agents, written for one set at a time.

In: a LiveSet; out: a folder of cards. Sentiments are judged by three prompts and the encoder of
`agents/` and the novice of `bench/live_agents/`, as they stand there. Calculations and concepts are
written by one model under four prompts with fewer and fewer examples, which are drawn from the set
before anything is measured. Every card offers its answer a second time under a skill of its own
(`SKILL.AGENT`), so that one agent can be asked alone (with a double beside it where it draws its
words), and those that draw their words a third time without chance (`SKILL.AGENT.sure`). `arbiter`
judges.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bench.common import ROOT
from bench.conflict_sets import LiveSet
from comitia_agent.card import AgentProfile, read_card

DECODER = "smollm2-135m-instruct"
JUDGE = "arbiter"
STANDING = ("critic", "labeller", "one-word", "librarian")
# How words are drawn (0: the likeliest): enough that samples of one agent differ.
TEMPERATURE = 0.5
TOKENS_MAX = 8
_CALCULATING: Mapping[str, Mapping[str, Any]] = {
    "ledger": {"item": "{input} =", "shots": (0, 24)},
    "pupil": {"item": "Question: What is {input}?\nAnswer:", "shots": (24, 32)},
    "clerk": {"item": "{input} =", "shots": (32, 40)},
    "guest": {"item": "{input} =", "shots": (40, 40)},
}
_NAMING: Mapping[str, Mapping[str, Any]] = {
    "ledger": {"item": "Question: {input}\nConcept:", "shots": (0, 16)},
    "pupil": {"item": "Question: {input}\nThe question is about:", "shots": (16, 24)},
    "clerk": {
        "style": "chat",
        "system": "You name the thing that a question is about.",
        "item": "{input}",
        "shots": (24, 30),
    },
    "guest": {"item": "Question: {input}\nConcept:", "shots": (30, 32)},
}


def alone(skill: str, agent: str) -> str:
    """The skill under which an agent answers without the others."""
    return f"{skill}.{agent}"


def sure(one: LiveSet, agent: str) -> str:
    """As `alone`, without chance: every sample is the same."""
    return f"{alone(one.name, agent)}.sure" if one.kind != "choice" else alone(one.name, agent)


def write(one: LiveSet, folder: Path) -> list[str]:
    """One file an agent, and the judge's. The panel's names."""
    folder.mkdir()
    doubles: list[dict[str, Any]] = []
    if one.kind == "choice":
        found = [ROOT / "agents" / f"{name}.yaml" for name in STANDING]
        profiles = [read_card(path) for path in (*found, ROOT / "bench/live_agents/novice.yaml")]
        cards = [_standing(profile, one.name) for profile in profiles]
    else:
        prompts = _CALCULATING if one.kind == "number" else _NAMING
        cards = [_written(one, name, prompt) for name, prompt in prompts.items()]
        doubles = [_double(one, name, prompt) for name, prompt in prompts.items()]
    for card in (*cards, *doubles, _judge(one)):
        text = yaml.safe_dump(card, allow_unicode=True, sort_keys=False)
        (folder / f"{card['name']}.yaml").write_text(text, "utf-8")
    return [card["name"] for card in cards]


def _standing(profile: AgentProfile, skill: str) -> dict[str, Any]:
    card = profile.model_dump(mode="json", by_alias=True)
    said = {key: each for key, each in card["skills"][skill].items() if each is not None}
    return card | {"skills": {skill: said, alone(skill, profile.name): said}}


def _written(one: LiveSet, name: str, prompt: Mapping[str, Any]) -> dict[str, Any]:
    block = _block(one, prompt) | {"temperature": TEMPERATURE}
    skills = {
        one.name: {one.kind: block},
        alone(one.name, name): {one.kind: block},
        sure(one, name): {one.kind: block | {"temperature": 0.0}},
    }
    return _card(name, "solver", skills)


def _double(one: LiveSet, name: str, prompt: Mapping[str, Any]) -> dict[str, Any]:
    """The same agent once more, where it answers alone: a seat has 16 samples at most."""
    block = _block(one, prompt) | {"temperature": TEMPERATURE}
    return _card(f"{name}-again", "solver", {alone(one.name, name): {one.kind: block}})


def _block(one: LiveSet, prompt: Mapping[str, Any]) -> dict[str, Any]:
    first, last = prompt["shots"]
    shown = [{"input": item.text, "answer": item.label} for item in one.examples[first:last]]
    block = {key: each for key, each in prompt.items() if key != "shots"}
    stop = {} if prompt.get("style") == "chat" else {"stop": ["\n"]}
    return block | {"examples": shown, "tokens_max": TOKENS_MAX} | stop


def _card(name: str, role: str, skills: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "version": 1,
        "description": f"The {name} of the live benchmark's panel.",
        "role": role,
        "model": DECODER,
        "skills": skills,
    }


def _judge(one: LiveSet) -> dict[str, Any]:
    """Of sentiments: a prompt that nobody on the panel has. Of others: the prompt with most
    examples, which picks what it would most likely write.
    """
    if one.kind == "choice":
        standing = _standing(read_card(ROOT / "agents" / "reporter.yaml"), one.name)
        return _card(JUDGE, "judge", {one.name: standing["skills"][one.name]})
    prompts = _CALCULATING if one.kind == "number" else _NAMING
    return _card(JUDGE, "judge", {one.name: {one.kind: _block(one, prompts["ledger"])}})
