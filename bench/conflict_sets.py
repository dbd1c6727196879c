"""Three kinds of real questions for the live table, each with another kind of answer.

In: DIR and a seed; out: a LiveSet, whose items are drawn by the seed into three parts that share
none. `examples` go into agents' cards, `taught` are fed back, `asked` are measured.

- sentiment (choice): lines of `text_classification/` with a label, 0 or 1, and a text.
- calculations (number): each `<<6*4=24>>` in the solutions of `gsm8k/*.jsonl` that has two whole
  numbers of up to three digits and a whole result: "6 * 4" is 24.
- concepts (text): `commonsense_qa/*.jsonl`: the concept that a question was written about.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comitia.consensus.keys import number_key, text_key
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.value_pb2 import Value
from comitia_cli.demo.data import Item

LABELS = {"0": "negative", "1": "positive"}
# For agents' cards, and to be fed back.
EXAMPLES, TAUGHT = 64, 40
_CALCULATION = re.compile(r"<<(\d{1,3})([-+*/])(\d{1,3})=(\d+)>>")
_WORD = re.compile(r"\w{4,}")
# Finds items in a folder of DIR.
Read = Callable[[Path], Iterator[Item]]


@dataclass(frozen=True, slots=True)
class LiveSet:
    """`name` is the skill, too. `chance`: share of `asked` that is right without looking: see
    `draw`. `kind`: of AnswerFormat.
    """

    name: str
    kind: str
    examples: tuple[Item, ...]
    taught: tuple[Item, ...]
    asked: tuple[Item, ...]
    chance: float

    @property
    def format(self) -> AnswerFormat:
        made = AnswerFormat()
        if self.kind == "choice":
            for label in LABELS.values():
                made.choice.options.add(id=label)
        elif self.kind == "number":
            made.number.SetInParent()
        else:
            made.text.tokens_max = 8
        return made

    def right(self, given: Value, item: Item) -> bool:
        """Whether an answer is the item's. An absent one is not."""
        kind = given.WhichOneof("kind")
        if kind == "number":
            return number_key(given.number) == number_key(float(item.label))
        if kind == "text":
            return text_key(given.text) == text_key(item.label)
        return bool(given.option_id == item.label)


@dataclass(frozen=True, slots=True)
class Source:
    """`folder`: of DIR. `count`: items that are measured."""

    folder: str
    kind: str
    read: Read
    count: int


def sentiments(folder: Path) -> Iterator[Item]:
    for path in sorted(folder.iterdir()):
        # Some of them are in an older encoding: what is not UTF-8 there becomes a question mark.
        rows = path.read_text("utf-8", errors="replace").splitlines()
        labelled = [row.split(maxsplit=1) for row in rows if len(row.split(maxsplit=1)) == 2]
        if {label for label, _ in labelled} == set(LABELS):
            yield from (Item(text, LABELS[label]) for label, text in labelled)


def calculations(folder: Path) -> Iterator[Item]:
    for row in _objects(folder):
        for left, sign, right, result in _CALCULATION.findall(row["answer"]):
            yield Item(f"{left} {sign} {right}", result)


def concepts(folder: Path) -> Iterator[Item]:
    for row in _objects(folder):
        asked = row["question"]
        yield Item(asked["stem"], asked["question_concept"])


SOURCES = {
    "sentiment": Source("text_classification", "choice", sentiments, 40),
    "calculations": Source("gsm8k", "number", calculations, 40),
    "concepts": Source("commonsense_qa", "text", concepts, 40),
}


def draw(name: str, data: Path, seed: int, count: int = 0) -> LiveSet:
    """Each text once; `count` items are measured, 0: as many as the source says. ValueError where
    there are too few.

    Chance is the share of the commonest answer, and for concepts, whose answers stand in the text,
    that of a word of four letters or more drawn from it.
    """
    source = SOURCES[name]
    items = list({item.text: item for item in source.read(data / source.folder)}.values())
    wanted = EXAMPLES + TAUGHT + (count or source.count)
    if len(items) < wanted:
        raise ValueError(f"{data / source.folder} has {len(items)} items, {name} needs {wanted}")
    drawn = tuple(random.Random(seed).sample(items, wanted))
    asked = drawn[EXAMPLES + TAUGHT :]
    chance = _any_word(asked) if source.kind == "text" else _commonest(asked)
    return LiveSet(
        name, source.kind, drawn[:EXAMPLES], drawn[EXAMPLES : EXAMPLES + TAUGHT], asked, chance
    )


def _objects(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            yield json.loads(line)


def _commonest(items: Sequence[Item]) -> float:
    return max(Counter(item.label for item in items).values()) / len(items)


def _any_word(items: Sequence[Item]) -> float:
    shares = []
    for item in items:
        words = _WORD.findall(item.text.casefold())
        shares.append(words.count(item.label.casefold()) / max(1, len(words)))
    return sum(shares) / len(shares)
