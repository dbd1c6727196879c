"""Agent cards: agents/*.yaml in, frozen `AgentProfile` out. A card is the whole agent: model,
prompts, role, decoding.

Reading is strict: an unknown, missing, doubled or ill-typed field is a ConfigError that names the
file and the field. Also here: the digest under which a card is published, and the AgentCard
message made of it. No I/O but reading the YAML file.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import yaml
from pydantic import Field, ValidationError, model_validator

from comitia.consensus.weights import JUDGE
from comitia.errors import ConfigError
from comitia.topics import AGENT_NAME
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.answer_pb2 import ModelRef
from comitia.v1.format_pb2 import FormatKind
from comitia.v1.input_pb2 import InputKind
from comitia.yaml_maps import NothingTwice
from comitia_agent.blocks import Block, Choice, Generated, Nearest, Text, Written

SKILL = r"^[A-Za-z0-9._:-]{1,64}$"
Utility = Annotated[float, Field(ge=0.0, le=1.0)]


class Skill(Block):
    """How one skill is answered, by the kind of answer asked for. Rankings are made from `choice`
    or `nearest`. `json` keeps what is written to the schema of the task. `judge`: how the best of
    several answers is picked; its options are letters. `utilities`: property of a JSON answer ->
    option -> what it is worth to the agent, [0, 1].
    """

    later: ClassVar[tuple[str, ...]] = ("json_", "judge", "utilities")

    choice: Choice | None = None
    nearest: Nearest | None = None
    text: Generated | None = None
    number: Generated | None = None
    json_: Written | None = Field(default=None, alias="json")
    judge: Choice | None = None
    utilities: dict[Text, dict[Text, Utility]] | None = None

    @model_validator(mode="after")
    def _answers_something(self) -> "Skill":
        written = (self.text, self.number, self.json_)
        if not any((self.choice, self.nearest, *written, self.judge, self.utilities)):
            kinds = "choice, nearest, text, number, json, judge, utilities"
            raise ValueError(f"says nothing: give at least one of {kinds}")
        if self.choice and self.nearest:
            raise ValueError("give choice or nearest, not both")
        return self


class AgentProfile(Block):
    """An agent's card as it stands in the repository. `model` names a card in the folder of
    models. `priority_lane`: it has a second inbox, for tasks of high priority. `shadow`: it is
    asked beside every panel of its skills; its answers are recorded and judged, but not counted.
    `embedder`: card of the encoder that embeds its answers, "" for none.
    """

    later: ClassVar[tuple[str, ...]] = ("embedder",)

    name: Annotated[str, Field(pattern=f"^{AGENT_NAME.pattern}$")]
    version: int = Field(ge=1, lt=2**32)
    description: Text
    role: str = "solver"
    model: Text
    skills: dict[Annotated[str, Field(pattern=SKILL)], Skill] = Field(min_length=1)
    priority_lane: bool = False
    shadow: bool = False
    embedder: str = ""

    @property
    def prompts(self) -> int:
        """How many different prompts the model is given, inputs aside."""
        skills = self.skills.values()
        blocks = (
            (skill.choice, skill.text, skill.number, skill.json_, skill.judge) for skill in skills
        )
        return sum(block is not None for group in blocks for block in group)

    def digest(self) -> str:
        """ "sha256:..." over all that the card says of its answers; comments and layout do not
        count, nor do how work reaches it and whether its answers count.
        """
        whole = self.model_dump(mode="json", exclude={"priority_lane", "shadow"})
        text = json.dumps(whole, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def message(self, model_digest: str) -> AgentCard:
        """The card as other services read it."""
        skills = self.skills.values()
        offered = {
            FormatKind.FORMAT_KIND_CHOICE: any(skill.choice or skill.nearest for skill in skills),
            FormatKind.FORMAT_KIND_TEXT: any(skill.text for skill in skills),
            FormatKind.FORMAT_KIND_NUMBER: any(skill.number for skill in skills),
            FormatKind.FORMAT_KIND_RANKING: any(skill.choice or skill.nearest for skill in skills),
            FormatKind.FORMAT_KIND_JSON: any(skill.json_ or skill.utilities for skill in skills),
        }
        return AgentCard(
            name=self.name,
            version=self.version,
            description=self.description,
            skills=list(self.skills),
            role=self.role,
            inputs=[InputKind.INPUT_KIND_TEXT, InputKind.INPUT_KIND_CHAT],
            # A judge picks among answers of any format.
            formats=[kind for kind, does in offered.items() if does and self.role != JUDGE],
            model=ModelRef(name=self.model, digest=model_digest),
            content_digest=self.digest(),
            priority_lane=self.priority_lane,
            shadow=self.shadow,
        )


def read_card(path: Path) -> AgentProfile:
    """Parse one card. ConfigError names the file and every field that is wrong."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Plain)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as an agent card: {error}") from error
    try:
        return AgentProfile.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_in_words(error)}") from error


def read_cards(paths: Sequence[Path]) -> list[AgentProfile]:
    """Parse the cards of one process. ConfigError when there is none, a name comes twice, or
    their models or embedders differ.
    """
    profiles = [read_card(path) for path in paths]
    if not profiles:
        raise ConfigError("COMITIA_AGENT_CARDS names no card")
    names = [profile.name for profile in profiles]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"several of the cards are named {twice[0]!r}; rename all but one")
    models = sorted({profile.model for profile in profiles})
    if len(models) > 1:
        raise ConfigError(
            f"agents of one process share one model, but the cards name {', '.join(models)}; "
            "start one process per model"
        )
    embedders = sorted({profile.embedder for profile in profiles if profile.embedder})
    if len(embedders) > 1:
        raise ConfigError(
            f"vectors of different embedders do not compare, but the cards name "
            f"{', '.join(embedders)}; name one"
        )
    return profiles


class _Plain(NothingTwice, yaml.BaseLoader):
    """Keeps every scalar as text, so that options named yes, no or 1 stay what they are; the
    model converts the rest.
    """


def _in_words(error: ValidationError) -> str:
    lines = []
    for detail in error.errors():
        where = ".".join(str(part) for part in detail["loc"] if part != "[key]")
        what = detail["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {what}" if where else what)
    return "; ".join(lines)
