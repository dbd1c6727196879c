"""What every model does that stands behind ports.Model: one suite for the scripted one and for real
graphs with random weights, so that tests with the fake say something of the engine.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from comitia.errors import ConfigError, Retryable
from comitia.inference.export.make import export
from comitia.inference.limits import Limits
from comitia.inference.load import load_model
from comitia.inference.session import Threads
from comitia.ports import Model, Prompt, Sampling
from comitia.testing import ScriptedModel
from tests.unit.inference_models import (
    card_of,
    decoder_config,
    encoder_config,
    write_decoder,
    write_encoder,
)

PROMPT = Prompt("say something: ", "now")
SAID = "what the script says is this and no more"
TEXTS = ("a", "another one", "a")


def scores(_: str, options: Sequence[str]) -> list[float]:
    return [-float(len(option)) for option in options]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once: a decoder and an encoder."""
    root = tmp_path_factory.mktemp("port")
    write_decoder(root / "decoder", decoder_config("llama"))
    write_encoder(root / "encoder", encoder_config())
    export(card_of(root / "decoder"), root / "d")
    export(card_of(root / "encoder", "encoder"), root / "e")
    return root


@pytest.fixture(params=["scripted", "real"])
async def decoder(request: pytest.FixtureRequest, weights: Path) -> AsyncIterator[Model]:
    model: Model = ScriptedModel(scores=scores, texts=[SAID], heads=(2, 3))
    if request.param == "real":
        limits = Limits(rows=3, shelves=2)
        model = load_model(
            card_of(weights / "decoder"), weights / "d", threads=Threads(1), limits=limits
        )
    yield model
    await model.close()


@pytest.fixture(params=["scripted", "real"])
async def encoder(request: pytest.FixtureRequest, weights: Path) -> AsyncIterator[Model]:
    model: Model = ScriptedModel(vectors={"a": (3.0, 4.0), "another one": (0.0, 2.0)})
    if request.param == "real":
        model = load_model(
            card_of(weights / "encoder", "encoder"), weights / "e", threads=Threads(1)
        )
    yield model
    await model.close()


async def test_it_has_a_name_a_digest_and_room(decoder: Model, encoder: Model) -> None:
    for model in (decoder, encoder):
        assert model.name
        assert model.digest.startswith("sha256:") and len(model.digest) == 71
        assert model.capacity >= 1


def test_a_turn_is_left_to_the_assistant(decoder: Model) -> None:
    whole = decoder.render([("user", "hi")])
    closed = decoder.render([("user", "hi")], open_turn=False)
    assert "hi" in closed
    assert whole.startswith(closed) and len(whole) > len(closed)


async def test_options_are_scored_in_their_order_and_the_same_each_time(decoder: Model) -> None:
    options = [" y", " something longer", " no"]
    first, again = [await decoder.score(PROMPT, options) for _ in range(2)]
    assert len(first.log_likelihoods) == 3
    assert all(found <= 0 for found in first.log_likelihoods)
    assert again.log_likelihoods == pytest.approx(first.log_likelihoods, abs=1e-4)
    backwards = await decoder.score(PROMPT, options[::-1])
    assert backwards.log_likelihoods[::-1] == pytest.approx(first.log_likelihoods, abs=1e-4)
    assert 0 < again.usage.cached_tokens < again.usage.prompt_tokens


async def test_a_text_has_no_more_tokens_than_asked_for(decoder: Model) -> None:
    short = await decoder.generate(PROMPT, Sampling(3))
    assert (short.usage.completion_tokens, short.finish) == (3, "length")
    long = await decoder.generate(PROMPT, Sampling(6))
    assert long.text.startswith(short.text) and len(long.text) > len(short.text)


async def test_a_stop_string_ends_the_text_before_it(decoder: Model) -> None:
    whole = (await decoder.generate(PROMPT, Sampling(9))).text
    stop = whole[len(whole) // 2 :][:2]
    found = await decoder.generate(PROMPT, Sampling(9, stop=(stop, "never said")))
    assert (found.text, found.finish) == (whole[: whole.find(stop)], "stop")


async def test_a_stream_says_what_generate_says_and_ends_with_it(decoder: Model) -> None:
    whole = await decoder.generate(PROMPT, Sampling(7))
    pieces = [piece async for piece in decoder.stream(PROMPT, Sampling(7))]
    assert len(pieces) > 2
    assert "".join(piece.text for piece in pieces) == whole.text
    assert [piece.result is None for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    result = pieces[-1].result
    assert result is not None
    assert (result.text, result.finish) == (whole.text, whole.finish)


async def test_a_seed_gives_the_same_text_again(decoder: Model) -> None:
    sampling = Sampling(8, temperature=1.0, seed=7, top_p=0.9)
    first, again = [(await decoder.generate(PROMPT, sampling)).text for _ in range(2)]
    assert first == again


async def test_calls_at_once_are_all_answered(decoder: Model) -> None:
    alone = await decoder.generate(PROMPT, Sampling(5))
    many = [decoder.generate(PROMPT, Sampling(5)) for _ in range(2 * decoder.capacity)]
    found = await asyncio.gather(*many, decoder.score(PROMPT, [" y", " n"]))
    assert {text.text for text in found[:-1] if hasattr(text, "text")} == {alone.text}


async def test_who_goes_away_does_not_disturb_the_others(decoder: Model) -> None:
    left = [asyncio.ensure_future(decoder.generate(PROMPT, Sampling(20))) for _ in range(4)]
    await asyncio.sleep(0)
    for call in left:
        call.cancel()
    await asyncio.wait(left)
    assert (await decoder.generate(PROMPT, Sampling(3))).usage.completion_tokens == 3


async def test_an_adapter_that_is_not_there_is_refused(decoder: Model) -> None:
    strange = Prompt("", "x", adapter="nobody")
    with pytest.raises(ConfigError, match="nobody"):
        await decoder.score(strange, [" y"])
    with pytest.raises(ConfigError, match="nobody"):
        await decoder.generate(strange, Sampling(1))


async def test_each_head_looks_back_over_the_whole_prompt(decoder: Model) -> None:
    found = await decoder.attend(PROMPT)
    assert found.probabilities.dtype == np.float32
    assert found.probabilities.shape[2] == len(found.tokens) == found.usage.prompt_tokens
    np.testing.assert_allclose(found.probabilities.sum(2), 1.0, atol=1e-5)


async def test_a_vector_has_unit_length_and_belongs_to_its_text(encoder: Model) -> None:
    found = await encoder.embed(TEXTS)
    assert found.vectors.dtype == np.float32
    assert found.vectors.shape[0] == 3
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(found.vectors[0], found.vectors[2], atol=1e-5)
    assert not np.allclose(found.vectors[0], found.vectors[1], atol=1e-3)
    assert found.usage.prompt_tokens > 0
    none = await encoder.embed([])
    assert none.vectors.shape == (0, found.vectors.shape[1])


async def test_what_it_cannot_do_is_a_matter_of_configuration(
    decoder: Model, encoder: Model
) -> None:
    with pytest.raises(ConfigError):
        await decoder.embed(["a"])
    for call in (encoder.score(PROMPT, ["a"]), encoder.generate(PROMPT, Sampling(1))):
        with pytest.raises(ConfigError):
            await call
    with pytest.raises(ConfigError):
        await encoder.attend(PROMPT)
    with pytest.raises(ConfigError):
        [piece async for piece in encoder.stream(PROMPT, Sampling(1))]


async def test_a_closed_model_has_ended_and_answers_no_more(decoder: Model) -> None:
    ended = asyncio.ensure_future(decoder.ended())
    await decoder.generate(PROMPT, Sampling(1))
    assert not ended.done()
    await decoder.close()
    await ended
    with pytest.raises(Retryable):
        await decoder.generate(PROMPT, Sampling(1))
