"""Known answers of a model: what an independent implementation made of a few texts.

Stored as JSON beside the model cards (models/references/), small enough for git: of each text the
tokens, and at some places the outputs of some columns (of the vocabulary, or of the hidden state).
The last `written` tokens of a decoder's text are those that it wrote itself, the likeliest each.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from comitia.errors import ConfigError
from comitia.inference.export.shape import Floats


@dataclass(frozen=True, slots=True)
class Answer:
    """`values`: float[places, columns], the output at tokens[place] in those columns."""

    tokens: Sequence[int]
    places: Sequence[int]
    columns: Sequence[int]
    values: Sequence[Sequence[float]]
    written: int = 0

    def exact(self) -> Floats:
        """The values as an array."""
        return np.array(self.values, np.float32)


@dataclass(frozen=True, slots=True)
class Answers:
    """`made_with`: library -> version; `source`: file of the weights -> sha256."""

    made_with: Mapping[str, str]
    source: Mapping[str, str]
    texts: Sequence[Answer]


def read_answers(path: Path) -> Answers:
    """A file of answers. Raises ConfigError where it is not one."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        texts = [Answer(**text) for text in facts["texts"]]
        return Answers(facts["made_with"], facts["source"], texts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} does not hold the answers of a model ({error}); correct 'reference' in the "
            "card, or make the file again: comitia model reference"
        ) from error


def write_answers(path: Path, answers: Answers) -> None:
    """One line a text, values of six digits."""
    facts = asdict(answers)
    lines = []
    for text in facts.pop("texts"):
        text["values"] = [[float(f"{value:.6g}") for value in row] for row in text["values"]]
        lines.append(json.dumps(text))
    head = json.dumps(facts, indent=1, sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{head[:-2]},\n "texts": [\n' + ",\n".join(lines) + "\n ]\n}\n", "utf-8")
