"""Texts in which several systems say the same, and how good people found each: what
bench.consensus_translations measures on.

In: pairs of files in the layout of the MQM studies (M. Freitag et al., "Experts, Errors, and
Context", TACL 9 (2021), 1460-1474, DOI 10.1162/tacl_a_00437): NAME.tsv or NAME.tsv.gz (a header,
then system, seg_id, target and more, a line for each mark of a rater) and
NAME.avg_seg_scores.tsv (system, score or None, seg_id). Out: segments with a text and a score of
each system. People's own translations are the measure and take no part.
"""

import csv
import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from comitia.consensus.keys import passage_key

SCORES = ".avg_seg_scores.tsv"
# Spans that a rater found wrong stand between these.
_MARKS = re.compile(r"</?v>")
_PEOPLE = ("ref", "human")


@dataclass(frozen=True, slots=True)
class Segment:
    """`texts`: system -> what it says, as a vote compares it. `scores`: text -> the mean of what
    its systems got for it, higher is better, 0 without a fault.
    """

    texts: Mapping[str, str]
    scores: Mapping[str, float]


def read(folder: Path) -> list[Segment]:
    """Every segment that two systems or more have scores for. FileNotFoundError where the folder
    has none.
    """
    segments: list[Segment] = []
    for scores_file in sorted(folder.glob(f"*{SCORES}")):
        name = scores_file.name.removesuffix(SCORES)
        texts_file = next((p for p in sorted(folder.glob(f"{name}.tsv*"))), None)
        if texts_file is None:
            raise FileNotFoundError(f"there is no {name}.tsv or {name}.tsv.gz beside {scores_file}")
        segments += _segments(texts_file, _scores(scores_file))
    if not segments:
        raise FileNotFoundError(f"{folder} has no texts with scores in *{SCORES}")
    return segments


def _scores(path: Path) -> dict[tuple[str, str], float]:
    """(segment, system) -> score. Some studies write a penalty as it is, others below 0."""
    rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines()[1:])
    return {
        (row[2], row[0]): -abs(float(row[1])) for row in rows if len(row) == 3 and row[1] != "None"
    }


def _segments(path: Path, scores: Mapping[tuple[str, str], float]) -> Iterator[Segment]:
    texts: dict[str, dict[str, str]] = {}
    for row in _rows(path):
        segment, system = row["seg_id"], row["system"]
        said = _MARKS.sub("", row["target"])
        if not system.lower().startswith(_PEOPLE) and (segment, system) in scores and said.strip():
            texts.setdefault(segment, {})[system] = passage_key(said)
    for segment, said_by in texts.items():
        if len(said_by) > 1:
            given: dict[str, list[float]] = {}
            for system, text in said_by.items():
                given.setdefault(text, []).append(scores[segment, system])
            means = {text: sum(found) / len(found) for text, found in given.items()}
            yield Segment(said_by, means)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
