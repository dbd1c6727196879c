"""How an agent writes: text by generation, a number by generation and reading the first number in
what was written, JSON by generation that is kept to the task's schema.

Parsing is pure; the only call is the model's `generate`. Every sample of a seat draws with a seed
of its own.
"""

import hashlib
import json
import math
import re
from collections.abc import Sequence

from comitia.ports import Generation, Model, Prompt, Sampling, Scores
from comitia.v1.answer_pb2 import AbstentionReason, Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.format_pb2 import NumberFormat
from comitia.v1.value_pb2 import Value
from comitia_agent.answers import abstain, usage_of
from comitia_agent.blocks import Generated, Written
from comitia_agent.budget import affordable
from comitia_agent.prompts import ending, harmless, make_frame

UNDECIDED = AbstentionReason.ABSTENTION_REASON_UNDECIDED
# A sign, digits (grouped by commas or not), a fraction, an exponent.
_NUMBER = re.compile(r"[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?")


class Writer:
    """Writes by one prompt of a card. `least_tokens`: of it without an input, once prepared."""

    def __init__(self, card: Written, model: Model) -> None:
        self._card = card
        self._stop = card.stop if isinstance(card, Generated) else ()
        self._model = model
        self._frame = make_frame(card, (), model.render)
        self._ending = ending(card, model.render)
        self.least_tokens = 0

    async def text(self, text: str, assignment: Assignment, note: str = "") -> Answer:
        """Free text of at most the task's and the card's tokens. `note`: what the model reads
        before the item. Raises whatever the model raises.
        """
        asked = assignment.task.format.text.tokens_max or self._card.tokens_max
        tokens_max = min(asked, self._tokens_max(assignment))
        return await self._write(self._frame.fill(text, note), assignment, tokens_max)

    async def number(self, text: str, assignment: Assignment, note: str = "") -> Answer:
        """A number within the task's bounds; abstains where none was written. Raises whatever the
        model raises.
        """
        prompt = self._frame.fill(text, note)
        answer = await self._write(prompt, assignment, self._tokens_max(assignment))
        if not answer.HasField("value"):
            return answer
        written = answer.value.text
        try:
            number = read_number(written, assignment.task.format.number)
        except ValueError as error:
            refused = abstain(UNDECIDED, f"{error}: {written[:200]!r}")
            refused.usage.CopyFrom(answer.usage)
            return refused
        answer.value.CopyFrom(Value(number=number))
        answer.rationale = f"read from: {written[:200]}"
        return answer

    async def document(self, text: str, assignment: Assignment, note: str = "") -> Answer:
        """JSON that follows the task's schema; abstains where the card's tokens do not suffice.
        Raises whatever the model raises: Poison (BAD_CONSTRAINT) for a schema that it cannot keep.
        """
        schema = assignment.task.format.json.schema
        sampling = self._sampling(self._tokens_max(assignment), seed_of(assignment), schema)
        made = await self._model.generate(self._frame.fill(text, note), sampling)
        answer = _document(made, sampling.tokens_max)
        answer.usage.CopyFrom(usage_of(made.usage))
        return answer

    async def likelihoods(self, text: str, said: Sequence[str], note: str = "") -> Scores:
        """How likely the model would write each of these answers, and end there. Raises whatever
        the model raises.
        """
        lead = " " if self._card.style == "completion" else ""
        whole = [f"{lead}{harmless(one)}{self._ending}" for one in said]
        return await self._model.score(self._frame.fill(text, note), whole)

    async def prepare(self) -> None:
        """Ask for one token: reads the prompt, and shows that the model can write and has the
        card's adapter. ConfigError when it cannot.
        """
        made = await self._model.generate(self._frame.fill(""), self._sampling(1, 0))
        self.least_tokens = made.usage.prompt_tokens

    def _tokens_max(self, assignment: Assignment) -> int:
        """Tokens that may be written: the card's, within what the assignment may cost. Raises
        TooDear.
        """
        left = affordable(assignment, self.least_tokens)
        return min(self._card.tokens_max, left or self._card.tokens_max)

    async def _write(self, prompt: Prompt, assignment: Assignment, tokens_max: int) -> Answer:
        sampling = self._sampling(tokens_max, seed_of(assignment))
        made = await self._model.generate(prompt, sampling)
        written = made.text.strip()
        if not written:
            answer = abstain(UNDECIDED, "the model wrote nothing")
        else:
            cut = f"; cut at {tokens_max} tokens" if made.finish == "length" else ""
            answer = Answer(value=Value(text=written), rationale=f"generated{cut}")
        answer.usage.CopyFrom(usage_of(made.usage))
        return answer

    def _sampling(self, tokens_max: int, seed: int, schema: str = "") -> Sampling:
        card = self._card
        return Sampling(
            tokens_max=tokens_max,
            temperature=card.temperature,
            seed=seed,
            stop=self._stop,
            top_p=card.top_p,
            top_k=card.top_k,
            min_p=card.min_p,
            repetition_penalty=card.repetition_penalty,
            json_schema=schema,
        )


def _document(made: Generation, tokens_max: int) -> Answer:
    if made.finish == "length":
        return abstain(UNDECIDED, f"the JSON is not complete after {tokens_max} tokens")
    try:
        json.loads(made.text)
    except ValueError as error:
        return abstain(UNDECIDED, f"the model wrote no JSON ({error}): {made.text[:200]!r}")
    return Answer(value=Value(json=made.text), rationale="generated, kept to the task's schema")


def read_number(written: str, asked: NumberFormat) -> float:
    """The first number of a text. ValueError, with a reason, when there is none, or it is out of
    bounds.
    """
    found = _NUMBER.search(written)
    if found is None:
        raise ValueError("the model wrote no number")
    number = float(found.group().replace(",", "").replace("\u2212", "-"))
    if not math.isfinite(number):
        raise ValueError("the model wrote a number that is not finite")
    if asked.HasField("min") and number < asked.min:
        raise ValueError(f"the model wrote a number below {asked.min:g}")
    if asked.HasField("max") and number > asked.max:
        raise ValueError(f"the model wrote a number above {asked.max:g}")
    return number


def seed_of(assignment: Assignment) -> int:
    """The task's seed, spread over agents, samples and rounds: the same work gives the same draw,
    others differ. 63 bits.
    """
    parts = (assignment.task.seed, assignment.agent, assignment.sample, assignment.round)
    digest = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
