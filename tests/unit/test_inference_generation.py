"""Generation through the engine: streams, constraints, penalties and log-probabilities of a tiny
model, alone and beside others.
"""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from llguidance import LLMatcher

from comitia.errors import ConfigError, Poison
from comitia.inference import constraints
from comitia.inference.decoder import OnnxDecoder
from comitia.inference.export.make import export
from comitia.inference.limits import Limits
from comitia.inference.load import load_model
from comitia.inference.session import Threads
from comitia.ports import Generation, Prompt, Sampling
from tests.unit.inference_models import (
    Tensors,
    byte_tokenizer,
    card_of,
    decoder_config,
    write_decoder,
)
from tests.unit.inference_reference import decoder_logits
from tests.unit.inference_texts import log_softmax

LABELS = json.dumps(
    {
        "type": "object",
        "properties": {"label": {"enum": ["yes", "no"]}, "sure": {"type": "boolean"}},
        "required": ["label", "sure"],
        "additionalProperties": False,
    }
)
Tiny = tuple[Path, dict[str, Any], Tensors]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    root = tmp_path_factory.mktemp("llama")
    config = decoder_config("llama")
    tensors = write_decoder(root / "weights", config)
    export(card_of(root / "weights"), root)
    return root, config, tensors


@pytest.fixture
async def model(tiny: Tiny) -> AsyncIterator[OnnxDecoder]:
    limits = Limits(rows=3, shelves=2, chunk_tokens=7)
    loaded = load_model(card_of(tiny[0] / "weights"), tiny[0], threads=Threads(1), limits=limits)
    assert isinstance(loaded, OnnxDecoder)
    yield loaded
    await loaded.close()


async def streamed(model: OnnxDecoder, prompt: Prompt, sampling: Sampling) -> Generation:
    pieces = [piece async for piece in model.stream(prompt, sampling)]
    result = pieces[-1].result
    assert result is not None and not any(piece.result for piece in pieces[:-1])
    assert "".join(piece.text for piece in pieces) == result.text
    return result


async def test_every_kind_of_text_is_the_same_beside_others_as_alone(model: OnnxDecoder) -> None:
    samplings = [
        Sampling(12),
        Sampling(12, temperature=0.9, seed=1, top_p=0.8),
        Sampling(12, temperature=1.1, seed=2, top_k=20, min_p=0.02, log_probabilities=2),
        Sampling(12, repetition_penalty=1.5),
        Sampling(40, json_schema=LABELS),
        Sampling(40, temperature=1.0, seed=3, json_schema=LABELS),
        Sampling(40, temperature=1.0, seed=4, regex="[a-f]{4,8}", log_probabilities=1),
        Sampling(12, temperature=0.7, seed=5, stop=("e",)),
    ]
    prompt = Prompt("the same beginning ", "for all")
    alone = [await model.generate(prompt, sampling) for sampling in samplings]
    beside = await asyncio.gather(*(streamed(model, prompt, sampling) for sampling in samplings))
    for first, second in zip(alone, beside, strict=True):
        assert (first.text, first.finish) == (second.text, second.finish)
        assert [token.text for token in first.tokens] == [token.text for token in second.tokens]
    for constrained in alone[4:6]:
        assert constrained.finish == "stop"
        assert json.loads(constrained.text)["label"] in ("yes", "no")
    assert re.fullmatch("[a-f]{4,8}", alone[6].text)


async def test_log_probabilities_equal_numpy(model: OnnxDecoder, tiny: Tiny) -> None:
    made = await model.generate(Prompt("", "tell me"), Sampling(6, log_probabilities=2))
    sequence: list[int] = byte_tokenizer().encode("tell me").ids
    assert len(made.tokens) == made.usage.completion_tokens > 0
    for said in made.tokens:
        logs = log_softmax(decoder_logits(*tiny[1:], sequence)[-1])
        order = sorted(range(len(logs)), key=lambda token: -logs[token])
        assert said.log_probability == pytest.approx(logs[order[0]], abs=2e-4)
        found = [ln for _, ln in said.alternatives]
        assert found == pytest.approx(logs[order[1:3]], abs=2e-4)
        sequence.append(order[0])


async def test_a_penalty_ends_repetition(model: OnnxDecoder) -> None:
    prompt = Prompt("", "again and again and again")
    plain = await model.generate(prompt, Sampling(30))
    varied = await model.generate(prompt, Sampling(30, repetition_penalty=20.0))
    assert len(set(varied.text)) > len(set(plain.text))


async def test_what_cannot_be_done_is_refused_before_the_engine_sees_it(model: OnnxDecoder) -> None:
    prompt = Prompt("", "x")
    with pytest.raises(Poison, match="JSON schema cannot be compiled: Invalid type"):
        await model.generate(prompt, Sampling(9, json_schema='{"type": "thing"}'))
    with pytest.raises(ConfigError, match="top_p"):
        await streamed(model, prompt, Sampling(9, top_p=2.0))
    assert (await model.generate(prompt, Sampling(2))).usage.completion_tokens > 0


async def test_constraints_are_compiled_beside_the_engine_and_once(
    model: OnnxDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def compiled(json_schema: str) -> str:
        threads.append(threading.current_thread().name)
        return LLMatcher.grammar_from_json_schema(json_schema)

    monkeypatch.setattr(constraints, "_json_grammar", compiled)
    for _ in range(2):
        await model.generate(Prompt("", "x"), Sampling(40, json_schema=LABELS))
    (thread,) = threads
    assert thread.startswith("asyncio_"), "neither the event loop's nor the engine's"


async def test_a_stream_that_is_left_takes_its_text_out_of_the_engine(model: OnnxDecoder) -> None:
    prompt = Prompt("", "tell me")
    stream = model.stream(prompt, Sampling(60, temperature=5.0, seed=9))
    first = await anext(stream)
    assert first.result is None
    await stream.aclose()  # type: ignore[attr-defined]
    # Nothing is left behind: as many as there are rows run to their end.
    texts = await asyncio.gather(*(model.generate(prompt, Sampling(5)) for _ in range(3)))
    assert len({made.text for made in texts}) == 1
