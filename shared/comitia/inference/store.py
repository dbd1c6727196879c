"""Where a card's files live in the cache, and the check that they are what was built.

    <cache>/models/<name>/source/   what was pulled
    <cache>/models/<name>/built/    model.onnx, model.onnx.data, tokenizer.json, manifest.json, ...

Folders appear whole: they are written beside their place and renamed (`replacing`). The manifest
holds the sha256 of every built file; the model's digest is the sha256 over those lines, so it names
the exact bytes that answered.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from comitia.errors import ConfigError
from comitia.inference.cards import ModelCard

MANIFEST = "manifest.json"
# What this version serves; a graph of another contract was built by another version.
CONTRACTS = ("rows", "growing", "tokens")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a build says of itself.

    `files`: built file -> sha256. `nodes`: operator -> how many the graph has. `attention_nodes`:
    those that are fused attention. `shape`: layers, kv_heads, head_dim and vocab for decoders,
    dimensions for encoders. `made_with`: library versions. `source`: file -> sha256. `quality`:
    what its form costs against fp32 (cards.Quality) and where that is known from; empty where there
    is nothing to say.
    """

    name: str
    kind: str
    contract: str
    recipe: Mapping[str, object]
    source: Mapping[str, str]
    files: Mapping[str, str]
    nodes: Mapping[str, int]
    attention_nodes: int
    shape: Mapping[str, int]
    made_with: Mapping[str, str]
    quality: Mapping[str, object] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """ "sha256:" and the digest over the lines `<sha256>  <file>`, in order of file name."""
        lines = "".join(f"{self.files[name]}  {name}\n" for name in sorted(self.files))
        return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Built:
    """A checked build: its folder and its manifest."""

    folder: Path
    manifest: Manifest


def model_folder(card: ModelCard, cache_dir: Path) -> Path:
    """The folder of everything kept for a card."""
    return cache_dir / "models" / card.name


def source_folder(card: ModelCard, cache_dir: Path) -> Path:
    """Where pulled files lie."""
    return model_folder(card, cache_dir) / "source"


def built_folder(card: ModelCard, cache_dir: Path) -> Path:
    """Where the built graph lies."""
    return model_folder(card, cache_dir) / "built"


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A fresh folder to fill; at a normal end it takes the place of `folder`, otherwise it is
    removed.

    Raises ConfigError where the cache cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise cache_error(folder.parent, error) from error
    try:
        yield draft
        draft.chmod(0o755)
        _swap(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def cache_error(place: Path, error: OSError) -> ConfigError:
    """What to tell the user when the cache refuses a write."""
    reason = error.strerror or error
    return ConfigError(
        f"The cache at {place} cannot be written ({reason}); free some space, correct its "
        "permissions, or set "
        "COMITIA_CACHE_DIR to a folder that you may write to."
    )


def _swap(draft: Path, folder: Path) -> None:
    """Put `draft` in the place of `folder`; a folder cannot be renamed over one that has files."""
    old = draft.with_name(f"{draft.name}.old")
    try:
        if folder.exists():
            os.rename(folder, old)
        os.rename(draft, folder)
    except OSError as error:
        raise cache_error(folder.parent, error) from error
    finally:
        shutil.rmtree(old, ignore_errors=True)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Manifest as JSON beside the files that it lists."""
    facts = {name: getattr(manifest, name) for name in manifest.__dataclass_fields__}
    facts["digest"] = manifest.digest
    (folder / MANIFEST).write_text(
        json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )


def read_manifest(card: ModelCard, cache_dir: Path) -> Manifest:
    """The manifest of a card's build. Raises ConfigError when there is none, or it does not match
    the card.
    """
    path = built_folder(card, cache_dir) / MANIFEST
    remedy = f"run: comitia model export {card.name} --force"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        facts.pop("digest")
        if facts["contract"] not in CONTRACTS:
            raise ConfigError(
                f"Model '{card.name}' was built by another version of Comitia (contract "
                f"{facts['contract']!r}, here {', '.join(CONTRACTS)}); {remedy}"
            )
        manifest = Manifest(**facts)
    except FileNotFoundError as error:
        raise ConfigError(
            f"Model '{card.name}' is not built in {cache_dir}; run: comitia model pull {card.name} "
            "&& "
            f"comitia model export {card.name}"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged ({error}); {remedy}") from error
    if manifest.recipe != json.loads(json.dumps(card.fingerprint())):
        raise ConfigError(
            f"Model '{card.name}' was built before its card changed ({card.file}); {remedy}"
        )
    return manifest


def verify(card: ModelCard, cache_dir: Path) -> Built:
    """Compare every built file with the manifest, and with the digests that the card pins.

    Raises ConfigError naming the file, the digest found, the one expected, and what to do.
    """
    manifest = read_manifest(card, cache_dir)
    folder = built_folder(card, cache_dir)
    for name in sorted(manifest.files):
        expect_file(
            folder / name, manifest.files[name], f"comitia model export {card.name} --force"
        )
    for name, expected in card.built:
        found = manifest.files.get(name, "no such file")
        if found != expected:
            raise ConfigError(
                f"Model '{card.name}': {name} was built as sha256 {found}, but {card.file} pins "
                f"{expected}; install the "
                f"locked requirements and run: comitia model export {card.name} --force, or "
                "correct 'built' in the card."
            )
    return Built(folder, manifest)


def expect_file(path: Path, expected: str, remedy: str) -> None:
    """Raise ConfigError unless the file has this sha256; `remedy` is the command that puts it
    right.
    """
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); run: {remedy}") from error
    if found != expected:
        raise ConfigError(
            f"{path} has sha256 {found}, expected {expected}: the file was altered or cut off; "
            f"run: {remedy}"
        )
