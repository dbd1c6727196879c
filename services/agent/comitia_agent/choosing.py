"""How an agent weighs options: by the likelihood that its model gives them, or by similarity of
embeddings.

Both give `Weighed`: a probability per option, in the task's order. What every task shares (frames
of prompts, baselines, embedded examples) is kept, bounded; otherwise no state.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from comitia.ports import Model, Usage
from comitia.v1.format_pb2 import Option
from comitia_agent import similarity
from comitia_agent.blocks import Choice, Nearest
from comitia_agent.card import Skill
from comitia_agent.chance import bias_for, probabilities
from comitia_agent.prompts import Frame, make_frame

# Different lists of options whose prompt (or embedding) is kept; a user's tasks mostly share
# theirs.
LISTINGS_MAX = 256


@dataclass(frozen=True, slots=True)
class Weighed:
    """`chances`: option id -> (0, 1), sum 1, in the task's order. `how`: for a person."""

    chances: dict[str, float]
    how: str
    usage: Usage


class Unsupported(Exception):
    """These options are not for this agent; the message says which are."""


class Chooser(Protocol):
    """Weighs the options of a task. `reads`: a note beside the input moves it. `least_tokens`: of
    its prompt without an input, once it is prepared.
    """

    least_tokens: int

    @property
    def reads(self) -> bool: ...

    async def prepare(self) -> None:
        """Do what every task shares. ConfigError when the model cannot."""

    async def weigh(self, text: str, options: Sequence[Option], note: str = "") -> Weighed:
        """`note`: what the model reads before the item. Raises Unsupported, and whatever the model
        raises.
        """


def make_chooser(skill: Skill, model: Model) -> Chooser | None:
    """The chooser that a skill's card asks for; None when the skill has no choices."""
    if skill.choice:
        return LikelihoodChooser(skill.choice, model)
    return NearestChooser(skill.nearest, model) if skill.nearest else None


@dataclass(frozen=True, slots=True)
class _Framed:
    frame: Frame
    baseline: tuple[float, ...]


class LikelihoodChooser:
    """p(option | prompt), summed over the option's tokens, calibrated and made to sum to 1."""

    reads = True

    def __init__(self, card: Choice, model: Model) -> None:
        self._card = card
        self._model = model
        self.least_tokens = 0
        self._framed: OrderedDict[tuple[tuple[str, str], ...], _Framed] = OrderedDict()

    async def prepare(self) -> None:
        """Ask once about the options that the card knows: prefills the prompt, and shows that the
        model can score.
        """
        known = [Option(id=option) for option in self._card.words] or [
            Option(id="yes"),
            Option(id="no"),
        ]
        self.least_tokens = (await self.weigh("", known)).usage.prompt_tokens

    async def weigh(self, text: str, options: Sequence[Option], note: str = "") -> Weighed:
        framed = await self._frame(options)
        scores = await self._model.score(framed.frame.fill(text, note), framed.frame.words)
        ids = [option.id for option in options]
        calibration = self._card.calibration
        chances = probabilities(calibration, ids, scores.log_likelihoods, framed.baseline)
        how = "log-likelihood of the options"
        if calibration.content_free:
            how += ", less that under an empty input"
        if bias_for(calibration, ids):
            how += ", with the bias of the card"
        return Weighed(chances, how, scores.usage)

    async def _frame(self, options: Sequence[Option]) -> _Framed:
        listing = tuple((option.id, option.text) for option in options)
        framed = self._framed.get(listing)
        if framed is None:
            frame = make_frame(self._card, options, self._model.render)
            framed = _Framed(frame, await self._baseline(frame))
            self._framed[listing] = framed
            while len(self._framed) > LISTINGS_MAX:
                self._framed.popitem(last=False)
        else:
            self._framed.move_to_end(listing)
        return framed

    async def _baseline(self, frame: Frame) -> tuple[float, ...]:
        inputs = self._card.calibration.content_free
        if not inputs:
            return (0.0,) * len(frame.words)
        asked = [await self._model.score(frame.fill(text), frame.words) for text in inputs]
        rows = [scores.log_likelihoods for scores in asked]
        return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))


class NearestChooser:
    """Cosine similarity of the input to labelled examples, or to the options themselves where the
    card has none.
    """

    reads = False

    def __init__(self, card: Nearest, model: Model) -> None:
        self._card = card
        self._model = model
        self.least_tokens = 0
        self._labelled: dict[str, similarity.Vectors] = {}

    async def prepare(self) -> None:
        """Embed the examples."""
        for label, texts in self._card.examples.items():
            self._labelled[label] = (await self._model.embed(texts)).vectors

    async def weigh(self, text: str, options: Sequence[Option], note: str = "") -> Weighed:
        """The note goes unread."""
        ids = [option.id for option in options]
        if not self._labelled:
            found = await self._model.embed(
                [text, *(option.text or option.id for option in options)]
            )
            labelled = {option: found.vectors[i + 1 : i + 2] for i, option in enumerate(ids)}
            how = "similarity of the input to the options"
        else:
            strange = sorted(set(ids) - set(self._labelled))
            if strange:
                raise Unsupported(
                    f"its examples know {', '.join(self._labelled)}, not {', '.join(strange[:3])}"
                )
            found = await self._model.embed([text])
            labelled = self._labelled
            how = "similarity of the input to labelled examples"
        card = self._card
        scores = similarity.scores(
            found.vectors[0],
            labelled,
            ids,
            neighbours=card.neighbours,
            temperature=card.temperature,
        )
        return Weighed(
            probabilities(card.calibration, ids, scores, (0.0,) * len(ids)), how, found.usage
        )
