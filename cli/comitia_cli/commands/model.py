"""`comitia model`: what there is, and the steps from a card to a checked build."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from comitia.errors import ConfigError
from comitia.inference import pull as pulling
from comitia.inference.cards import ModelCard, WheelSource, find_card, list_cards
from comitia.inference.store import read_manifest
from comitia.inference.store import verify as verify_build
from comitia_cli import exits, options
from comitia_cli.output import Printer
from comitia_cli.places import folder_of, human_bytes, places
from comitia_cli.show.tables import clipped, plain_table

app = typer.Typer(help="Models: cards, weights, built graphs.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="As `comitia model list` shows it.")]
Force = Annotated[bool, typer.Option("--force", help="Even where it is there already.")]


@app.command("list")
def list_models(models: options.Models = None, json: options.AsJson = False) -> None:
    """List the model cards and whether each is built."""
    printer = Printer(json)
    table = plain_table(
        "model", "kind", "form", ">perplexity", "licence", ">download", "built", "what it is"
    )
    for card in list_cards(folder_of("models", models)):
        digest = _digest(card)
        quality = dict(card.quality).get(card.recipe.form)
        size = card.source.size if isinstance(card.source, WheelSource) else 0
        printer.emit(
            {
                "name": card.name,
                "kind": card.kind,
                "licence": card.licence,
                "digest": digest,
                "downloadBytes": size,
                "form": card.recipe.form,
                "perplexityRatio": quality and quality.perplexity_ratio,
            }
        )
        table.add_row(
            card.name,
            card.kind,
            f"{card.recipe.builder} {card.recipe.form}",
            f"x {quality.perplexity_ratio:g}" if quality else "-",
            card.licence,
            human_bytes(size) if size else "-",
            digest[:19] if digest else "no",
            clipped(card.summary),
        )
    printer.show(table)


def _digest(card: ModelCard) -> str:
    try:
        return read_manifest(card, places().cache).digest
    except ConfigError:
        return ""


class Bar:
    """Progress of one model on a terminal; nothing in a pipe."""

    def __init__(self) -> None:
        self.bars = Progress(
            TextColumn("{task.description}"), BarColumn(), console=Printer().remarks, transient=True
        )
        self._task = self.bars.add_task("", total=None)

    def __call__(self, what: str, done: int, total: int) -> None:
        self.bars.update(self._task, description=escape(what), completed=done, total=total or None)
        if sys.stderr.isatty() and not self.bars.live.is_started:
            self.bars.start()

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()


@app.command()
def pull(name: Name, force: Force = False, models: options.Models = None) -> None:
    """Fetch a model's weights into the cache and check them against the card."""
    card = find_card(folder_of("models", models), name)
    with Bar() as bar:
        folder = pulling.pull(card, places().cache, bar, force=force)
    _done({"name": name, "source": str(folder)}, f"{name}: weights are in {folder}")


@app.command()
def export(
    name: Name, force: Force = False, yes: options.Yes = False, models: options.Models = None
) -> None:
    """Build a model's graph from its weights, fetching them first where they are missing."""
    from comitia.inference.export.make import export as build

    card = find_card(folder_of("models", models), name)
    with Bar() as bar:
        pulling.pull(card, places().cache, bar)
        built = build(card, places().cache, bar, confirm=_asking(yes), force=force)
    _done(
        {
            "name": name,
            "digest": built.manifest.digest,
            "attentionNodes": built.manifest.attention_nodes,
            "quality": dict(built.manifest.quality),
        },
        f"{name}: built in {built.folder}, {built.manifest.digest}, "
        f"{built.manifest.attention_nodes} fused attention nodes",
    )


@app.command()
def measure(name: Name, models: options.Models = None) -> None:
    """Measure what a model's form costs against fp32, on a fixed text; lines for its card."""
    from comitia.inference.export.remake import measure_build

    card = find_card(folder_of("models", models), name)
    with Bar() as bar:
        found = measure_build(card, places().cache, bar)
    _done(
        {"name": name, "form": card.recipe.form, **found},
        f"quality:\n  {card.recipe.form}: {{perplexity_ratio: {found['perplexity_ratio']}, "
        f"agreement: {found['agreement']}}}",
    )


@app.command()
def reference(name: Name, yes: options.Yes = False, models: options.Models = None) -> None:
    """Write down what transformers answers, for later builds to be held against."""
    from comitia.inference.export.remake import make_reference

    card = find_card(folder_of("models", models), name)
    with Bar() as bar:
        path = make_reference(card, places().cache, bar, _asking(yes))
    _done({"name": name, "reference": str(path)}, f"reference: references/{path.name}")


def _asking(yes: bool) -> Callable[[str], bool]:
    """Ask before a large download, where there is somebody to ask."""

    def confirm(text: str) -> bool:
        if yes or not sys.stdin.isatty():
            exits.say(text)
            return yes
        return typer.confirm(f"{text} Go on?")

    return confirm


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="One model; none: all.")] = "",
    models: options.Models = None,
) -> None:
    """Compare every built file with the digests that the manifest and the card name."""
    folder: Path = folder_of("models", models)
    for card in [find_card(folder, name)] if name else list_cards(folder):
        built = verify_build(card, places().cache)
        _done(
            {"name": card.name, "digest": built.manifest.digest},
            f"{card.name}: every file is as built, {built.manifest.digest}",
        )


def _done(facts: dict[str, object], words: str) -> None:
    printer = Printer()
    printer.emit(facts)
    printer.show(words)
