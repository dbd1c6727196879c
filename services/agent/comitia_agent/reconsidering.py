"""A later round: an agent answers again, after reading others. An assignment in, an answer with its
reason out.

What does not fit is read in shorter versions. A new value is handed on with what speaks for it:
others have it, or the model holds it likelier than the former one with the others' answers before
it. Where neither is so it is a slip of the pen: no reason is stated, and the former answer stands.
"""

import math

from comitia.errors import Poison
from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia_agent.answers import plus, usage_in, usage_of
from comitia_agent.deliberation import Note, Words, agreeing, changes, notes, reason
from comitia_agent.means import Means

# Nobody wants to read a larger number.
TIMES_LOG_MAX = 12.0


async def reconsider(text: str, assignment: Assignment, means: Means) -> Answer:
    """Raises Unsupported, and whatever the model raises."""
    words = means.words(assignment.task)
    if not means.reads(assignment.task):
        return await _unmoved(text, assignment, means)
    answer, note = await _again(text, assignment, means)
    if not answer.HasField("value"):
        return answer
    evidence = ""
    free = not answer.probabilities and assignment.task.format.WhichOneof("kind") != "ranking"
    moved = changes(assignment, answer, words) and not agreeing(note, answer, words)
    if moved and free:
        evidence = await _evidence(text, (assignment, answer, note), means)
        if not evidence:
            answer.rationale = ""
            return answer
    answer.rationale = reason(assignment, (answer, note), words, evidence)
    return answer


async def _again(text: str, assignment: Assignment, means: Means) -> tuple[Answer, Note]:
    """The answer, and what could be shown: less and less, at last nothing."""
    versions = notes(assignment, means.words(assignment.task))
    for note in versions[:-1]:
        try:
            return await means.answer(text, assignment, note.text), note
        except Poison as error:
            if error.reason != "TOO_LONG":
                raise
    return await means.answer(text, assignment, versions[-1].text), versions[-1]


async def _unmoved(text: str, assignment: Assignment, means: Means) -> Answer:
    """Who compares embeddings reads nobody: the former answer is the answer."""
    previous = assignment.previous
    if not previous.HasField("value"):
        return await means.answer(text, assignment)
    answer = Answer(value=previous.value, probabilities=previous.probabilities)
    if previous.HasField("confidence"):
        answer.confidence = previous.confidence
    answer.rationale = "keeps its answer: it compares the input alone and reads no other answer"
    return answer


async def _evidence(text: str, told: tuple[Assignment, Answer, Note], means: Means) -> str:
    """How much likelier the new value is to the model than the former; "" where it is not."""
    assignment, answer, note = told
    words: Words = means.words(assignment.task)
    writer = means.writer(assignment.task)
    if writer is None:
        return ""
    both = [words(answer.value), words(assignment.previous.value)]
    scores = await writer.likelihoods(text, both, note.text)
    answer.usage.CopyFrom(usage_of(plus(usage_in(answer), scores.usage)))
    now, before = scores.log_likelihoods
    if not now > before:
        return ""
    times = math.exp(min(now - before, TIMES_LOG_MAX))
    return f" (with them before it the model holds it {times:.1f} times as likely)"
