"""Which processes make a system: router, aggregator, learner, and one agent process per model.

In: the folders of agent and model cards, and the cluster. Out: the specs that the supervisor runs,
and the models that have to be built before.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from comitia.errors import ConfigError
from comitia.inference.cards import ModelCard, find_card
from comitia_cli.system.service import ServiceSpec

# Else numpy's library takes all cores for a fit, which is slower where others use them.
LEARNER: Mapping[str, str] = {"OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class AgentFile:
    """What the plan needs to know of an agent card: the agent checks the rest itself."""

    path: Path
    name: str
    model: str
    priority_lane: bool = False
    embedder: str = ""


def agent_files(folder: Path) -> list[AgentFile]:
    """The cards of a folder, by file name. ConfigError for an unreadable one, a name used twice, an
    empty folder.
    """
    found: dict[str, AgentFile] = {}
    for path in sorted(folder.glob("*.yaml")):
        card = _agent_file(path)
        if card.name in found:
            raise ConfigError(
                f"{path} and {found[card.name].path} both describe {card.name}: rename one of them"
            )
        found[card.name] = card
    if not found:
        raise ConfigError(
            f"no agent cards (*.yaml) in {folder}: put one there, or name another folder with "
            "--agents"
        )
    return list(found.values())


def _agent_file(path: Path) -> AgentFile:
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as an agent card: {error}") from error
    if not isinstance(fields, dict) or not all(
        isinstance(fields.get(key), str) for key in ("name", "model")
    ):
        raise ConfigError(f"{path}: an agent card needs a name and a model")
    lane = fields.get("priority_lane") is True
    embedder = fields.get("embedder") or ""
    return AgentFile(path.resolve(), fields["name"], fields["model"], lane, str(embedder))


@dataclass(frozen=True)
class Plan:
    """What is to run."""

    services: tuple[ServiceSpec, ...]
    models: tuple[ModelCard, ...]
    agents: tuple[AgentFile, ...]


def make_plan(agents: Path, models: Path, env: Mapping[str, str]) -> Plan:
    """`env` is what every service gets. ConfigError when a card names a model that has no card."""
    cards = agent_files(agents)
    by_model: dict[str, list[AgentFile]] = {}
    for card in cards:
        by_model.setdefault(card.model, []).append(card)
    services = [
        ServiceSpec(name, (program(f"comitia-{name}"),), {**env, **own})
        for name, own in (("router", {}), ("aggregator", {}), ("learner", LEARNER))
    ]
    for model, seats in sorted(by_model.items()):
        own = {
            "COMITIA_AGENT_CARDS": os.pathsep.join(str(card.path) for card in seats),
            "COMITIA_MODELS_DIR": str(models),
        }
        services.append(ServiceSpec(f"agent-{model}", (program("comitia-agent"),), {**env, **own}))
    first = {card.embedder: card for card in cards if card.embedder}
    first |= {model: seats[0] for model, seats in by_model.items()}
    needed = tuple(_model(models, model, first[model]) for model in sorted(first))
    return Plan(tuple(services), needed, tuple(cards))


def _model(models: Path, name: str, agent: AgentFile) -> ModelCard:
    try:
        return find_card(models, name)
    except ConfigError as error:
        raise ConfigError(f"{agent.path} cannot be served: {error}") from error


def program(name: str) -> str:
    """A console script that was installed beside this interpreter. ConfigError when it was not."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise ConfigError(f"{name} is not installed beside {sys.executable}: run `make setup`")
    return str(path)
