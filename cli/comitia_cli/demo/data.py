"""Labelled texts and the tasks made of them: movie-review snippets, or the user's own file.
Chance comes as a seed.

Snippets fall into two parts by a digest of their text, whatever the seed: one fifth is for tuning
and calibrating agents, the rest for evaluation. So no card is ever judged by what it was fitted
on.
"""

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from comitia.errors import ConfigError
from comitia.v1.format_pb2 import AnswerFormat, ChoiceFormat, Option
from comitia.v1.input_pb2 import Input
from comitia.v1.policy_pb2 import Method, Policy, Selection
from comitia.v1.task_pb2 import Task
from comitia_cli.demo import snippets

POSITIVE, NEGATIVE = "positive", "negative"
# Ratings nearer to neutral than this are no clear opinion.
RATING_MIN = 1.0
CALIBRATION_SHARE = 5
LABELS_MAX = 100
LABEL_BYTES_MAX = 128


@dataclass(frozen=True, slots=True)
class Item:
    """A text and what is right about it."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled texts. `labels`: the options of every task, 2 to 100; `skill`: which agents are
    asked.
    """

    name: str
    skill: str
    labels: tuple[str, ...]
    calibration: tuple[Item, ...]
    evaluation: tuple[Item, ...]


def load_snippets(cache_dir: Path, say: Callable[[str], None]) -> Dataset:
    """The movie-review snippets with a clear opinion. ConfigError as `snippets.fetch`."""
    text = snippets.fetch(cache_dir, say).read_text(encoding="utf-8")
    items = parse_ratings(text)
    return Dataset(
        name=f"movie-review snippets of {snippets.PACKAGE} {snippets.VERSION}",
        skill="sentiment",
        labels=(NEGATIVE, POSITIVE),
        calibration=tuple(item for item in items if is_calibration(item)),
        evaluation=tuple(item for item in items if not is_calibration(item)),
    )


def parse_ratings(text: str) -> list[Item]:
    """Lines of number, rating and snippet, split by tabs; those within RATING_MIN of neutral, and
    repetitions, are dropped.
    """
    found: dict[str, Item] = {}
    for line in text.splitlines():
        _, rating, snippet = line.split("\t", 2)
        if abs(float(rating)) >= RATING_MIN:
            found.setdefault(snippet, Item(snippet, POSITIVE if float(rating) > 0 else NEGATIVE))
    return list(found.values())


def is_calibration(item: Item) -> bool:
    """Whether a snippet belongs to the fifth that is kept apart for calibration."""
    digest = hashlib.sha256(item.text.encode()).digest()
    return int.from_bytes(digest[:4], "big") % CALIBRATION_SHARE == 0


def read_dataset(path: Path) -> Dataset:
    """The user's own texts. All of them are for evaluation: no card was fitted on them.

    `.jsonl`: one object a line, {"text": "...", "label": "..."}. `.tsv`: text, tab, label,
    without a heading. UTF-8; empty lines are skipped. Where the labels are positive and negative
    the skill is `sentiment`, else `answer`. ConfigError names file and line.
    """
    parse = {".jsonl": _json_line, ".tsv": _tab_line}.get(path.suffix.lower())
    if parse is None:
        raise ConfigError(f"{path}: the name must end in .jsonl or .tsv")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as UTF-8 text: {error}") from error
    items = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                items.append(_checked(*parse(line)))
            except ValueError as error:
                raise ConfigError(f"{path}, line {number}: {error}") from error
    labels = tuple(sorted({item.label for item in items}))
    if not 2 <= len(labels) <= LABELS_MAX:
        raise ConfigError(f"{path}: needs 2 to {LABELS_MAX} different labels, has {len(labels)}")
    skill = "sentiment" if set(labels) == {POSITIVE, NEGATIVE} else "answer"
    return Dataset(path.name, skill, labels, (), tuple(items))


def draw(dataset: Dataset, count: int, seed: int) -> tuple[Item, ...]:
    """`count` evaluation items (all, where there are fewer), drawn by `seed`, none twice."""
    items = dataset.evaluation
    return tuple(random.Random(seed).sample(items, min(count, len(items))))


def make_tasks(
    dataset: Dataset, items: Sequence[Item], *, run: str, seed: int, timeout_ms: int
) -> list[Task]:
    """One choice task per item, for every live agent of the skill; ids `<run>-00000`, ... in the
    order of `items`.
    """
    choice = ChoiceFormat(options=[Option(id=label) for label in dataset.labels])
    return [
        Task(
            id=f"{run}-{number:05d}",
            skill=dataset.skill,
            input=Input(text=item.text),
            format=AnswerFormat(choice=choice),
            timeout_ms=timeout_ms,
            # Every agent is judged by its own ballots, so all of them must be in.
            policy=Policy(
                method=Method.METHOD_PLURALITY,
                selection=Selection.SELECTION_BROADCAST,
                wait_for_all=True,
            ),
            seed=seed,
        )
        for number, item in enumerate(items)
    ]


def _json_line(line: str) -> tuple[object, object]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg}") from error
    if not isinstance(found, dict) or "text" not in found or "label" not in found:
        raise ValueError('must be an object like {"text": "...", "label": "..."}')
    return found["text"], found["label"]


def _tab_line(line: str) -> tuple[object, object]:
    text, tab, label = line.rpartition("\t")
    if not tab:
        raise ValueError("must be a text, a tab and a label")
    return text, label


def _checked(text: object, label: object) -> Item:
    if not isinstance(text, str) or not text.strip():
        raise ValueError("the text must be a text that is not empty")
    if not isinstance(label, str) or not 1 <= len(label.strip().encode()) <= LABEL_BYTES_MAX:
        raise ValueError(f"the label must be a text of 1 to {LABEL_BYTES_MAX} bytes")
    return Item(text.strip(), label.strip())
