"""Questions with options on which language models have voted, and who sits on which panel.

In: votes.csv (question_id, category, answer, n_options, then a column a model: the letter it chose,
"-" where its answer could not be read, "" where it was not asked). Out: questions with ballots.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from comitia.consensus import plurality
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.learning import Example

STRONG = (
    "gemini-1.5-pro-002",
    "gemini-1.5-flash-002",
    "Meta-Llama-3_1-70B-Instruct",
    "Meta-Llama-3-70B",
    "Qwen1.5-110B",
    "jamba-1.5-large",
    "Qwen1.5-72B-Chat",
    "DeepSeek-Coder-V2",
)

# Who was asked less of the questions than this is left out of the panel of all.
COVERAGE_MIN = 0.95


@dataclass(frozen=True, slots=True)
class Question:
    """`votes` holds whoever was asked."""

    name: str
    votes: Mapping[str, Ballot]
    options: tuple[str, ...]
    correct: str

    def example(self) -> Example:
        return Example(self.votes, self.options, self.correct)

    def credit(self, outcome: Outcome) -> float:
        """Whether the outcome is right, [0, 1]; a tie guesses."""
        leaders = outcome.tied or (outcome.winner,)
        return (self.correct in leaders) / len(leaders)

    def is_right(self, voter: str) -> bool:
        return voter in self.votes and self.votes[voter].choice == self.correct


def read(file: Path) -> tuple[list[Question], list[str]]:
    """The questions, and the models in the order of their columns."""
    with file.open(newline="", encoding="utf-8") as lines:
        table = csv.DictReader(lines)
        models = list(table.fieldnames or ())[4:]
        questions = []
        for line in table:
            options = tuple(chr(ord("A") + place) for place in range(int(line["n_options"])))
            votes = {
                model: Ballot(line[model] if line[model] in options else None, voter=model)
                for model in models
                if line[model]
            }
            questions.append(Question(line["question_id"], votes, options, line["answer"]))
    return questions, models


def panels(questions: Sequence[Question], models: Sequence[str]) -> dict[str, list[str]]:
    """The strong panel is STRONG; where the data has other models, the eight that agree most with
    the majority of all (no answer is looked at). The other one is of all models that were asked
    nearly everything.
    """
    asked = Counter(voter for question in questions for voter in question.votes)
    everyone = [model for model in models if asked[model] >= COVERAGE_MIN * len(questions)]
    if set(STRONG) <= set(models):
        strong = list(STRONG)
    else:
        agreed: Counter[str] = Counter()
        for question in questions:
            outcome = plurality.decide(question.votes.values())
            agreed.update(v for v, b in question.votes.items() if b.choice == outcome.winner)
        strong = sorted(everyone, key=lambda model: (-agreed[model], model))[: len(STRONG)]
    return {f"strong {len(strong)}": strong, f"all {len(everyone)}": everyone}


def among(questions: Iterable[Question], panel: Sequence[str]) -> list[Question]:
    """The questions with the votes of this panel alone."""
    return [
        Question(
            one.name,
            {voter: one.votes[voter] for voter in panel if voter in one.votes},
            one.options,
            one.correct,
        )
        for one in questions
    ]
