"""Where an answer lies: unit vectors of an answer with its reason, and of the task's input, by one
embedder that all agents of a panel share, for attention over agents.

An answer in; the same with its vectors. Texts longer than the embedder reads are cut: a vector of
how something begins says more than none.
"""

from comitia.errors import Poison
from comitia.ports import Model
from comitia.v1.answer_pb2 import Answer, Embedding

# Cut to this before it is tried: sentence embedders read a few hundred tokens.
CHARACTERS_MAX = 2_000


async def embed(answer: Answer, said: str, text: str, embedder: Model) -> None:
    """Add vectors of `said` (the answer's value in words; its rationale is put behind it) and of
    the task's input `text`; what that cost is added, too. Raises what the embedder raises, but for
    TOO_LONG.
    """
    pairs = ((f"{said}\n{answer.rationale}", answer.embedding), (text, answer.input_embedding))
    for whole, told in pairs:
        await _tell(whole, told, answer, embedder)


async def _tell(text: str, told: Embedding, answer: Answer, embedder: Model) -> None:
    text = text[:CHARACTERS_MAX]
    while True:
        try:
            found = await embedder.embed([text])
            break
        except Poison as error:
            if error.reason != "TOO_LONG" or len(text) < 2:
                raise
            text = text[: len(text) // 2]
    told.embedder = embedder.name
    told.vector.extend(found.vectors[0].tolist())
    answer.usage.prompt_tokens += found.usage.prompt_tokens
