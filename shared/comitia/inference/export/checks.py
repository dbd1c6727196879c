"""What a fresh build has to pass, and what is found out about it, before it is kept.

A draft's folder comes in with the weights that it was made from; a ConfigError goes out where it
does not answer like them, else what its form costs.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from comitia.errors import ConfigError
from comitia.inference.cards import ModelCard, Progress, Quality
from comitia.inference.export.adapters import Adapter
from comitia.inference.export.answers import Answer, read_answers
from comitia.inference.export.decoder import build_decoder
from comitia.inference.export.environment import python_at_hand
from comitia.inference.export.equality import (
    check_adapter,
    check_decoder,
    check_encoder,
    texts_of,
)
from comitia.inference.export.formed import Formed
from comitia.inference.export.graph import MODEL
from comitia.inference.export.quality import (
    compare,
    read_text,
    runs_here,
    text_digest,
    windows,
)
from comitia.inference.export.theirs import can_be_told, their_answers

# Tokens that transformers writes behind each text of the check.
_WRITTEN = 4


class Draft(NamedTuple):
    """A build that is not kept yet. `source`: its GGUF file or folder."""

    card: ModelCard
    source: Path
    folder: Path
    cache_dir: Path


def check(draft: Draft, weights: Formed | None) -> None:
    """Raise ConfigError unless the graph answers as it should; `weights` None for an encoder."""
    card = draft.card
    texts = texts_of(draft.folder, card.recipe.context_tokens - _WRITTEN)
    known: list[Answer] = []
    if card.reference:
        known += read_answers(Path(card.reference)).texts
    python = python_at_hand(draft.cache_dir)
    told = weights is None or draft.source.is_dir() or can_be_told(weights.shape)
    if python is not None and told:
        known += their_answers(python, draft.source, card.kind, texts, _WRITTEN).texts
    try:
        if weights is None:
            check_encoder(draft.folder, draft.source, texts, known)
        else:
            check_decoder(draft.folder, weights, texts, known)
    except ConfigError as error:
        raise ConfigError(f"Model '{card.name}' ({card.recipe.form}): {error}") from error


def check_adapters(draft: Draft, weights: Formed, adapters: Sequence[Adapter]) -> None:
    """Raise ConfigError unless the graph with each adapter answers as the weights that it was
    merged into do.
    """
    texts = texts_of(draft.folder, draft.card.recipe.context_tokens)
    for number, adapter in enumerate(adapters, 1):
        try:
            check_adapter(draft.folder, (weights, adapter), number, texts)
        except ConfigError as error:
            raise ConfigError(
                f"Model '{draft.card.name}', adapter '{adapter.name}': {error}"
            ) from error


def quality_of(draft: Draft, weights: Formed, progress: Progress) -> dict[str, object]:
    """What the form costs, as its card states it or else measured; empty for fp32 and for what
    cannot run here.
    """
    stated = dict(draft.card.quality).get(weights.form)
    if stated is not None:
        return asdict(stated) | {"known_from": "the card"}
    if weights.form == "fp32" or not runs_here(weights):
        return {}
    return measure(draft, weights, progress)


def measure(draft: Draft, weights: Formed, progress: Progress) -> dict[str, object]:
    """Build the same in fp32 beside the draft, read the fixed text with both, compare."""
    texts = windows(draft.folder, draft.card.recipe.context_tokens)
    exact_folder = draft.folder / "fp32"
    exact_folder.mkdir()
    try:
        plain = Formed(weights.source, "fp32")
        build_decoder(plain, exact_folder, draft.card.recipe.context_tokens)
        exact = read_text(exact_folder / MODEL, (weights.shape, "fp32"), texts, progress)
    finally:
        shutil.rmtree(exact_folder)
    found = read_text(draft.folder / MODEL, (weights.shape, weights.form), texts, progress)
    quality: Quality = compare(found, exact)
    return asdict(quality) | {
        "known_from": "a measurement",
        "perplexity": round(found.perplexity, 4),
        "tokens": len(exact.surprise),
        "text_sha256": text_digest(),
    }
