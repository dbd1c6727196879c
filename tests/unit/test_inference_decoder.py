"""The decoder against numpy: every family, alone and beside others, with and without a prefix."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comitia.errors import ConfigError, Overloaded, Poison, Retryable
from comitia.inference.decoder import OnnxDecoder
from comitia.inference.export.make import export
from comitia.inference.limits import Limits
from comitia.inference.load import load_model
from comitia.inference.session import Threads
from comitia.ports import Prompt, Sampling
from tests.unit.inference_models import (
    CONTEXT,
    Tensors,
    byte_tokenizer,
    card_of,
    decoder_config,
    write_decoder,
)
from tests.unit.inference_reference import decoder_logits, log_likelihood

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
# Float32 sums in another order than numpy's; logits are of the order of 10.
TOLERANCE = 2e-4


@pytest.fixture(scope="module", params=FAMILIES)
def tiny(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], Tensors]:
    """A built model of each family: the cache that holds it, its configuration and its tensors."""
    root = tmp_path_factory.mktemp(request.param)
    config = decoder_config(request.param)
    tensors = write_decoder(root / "weights", config)
    export(card_of(root / "weights"), root)
    return root, config, tensors


@pytest.fixture
async def model(tiny: tuple[Path, dict[str, Any], Tensors]) -> AsyncIterator[OnnxDecoder]:
    """Small pieces and few shelves: prompts are cut, prefixes make room for each other."""
    limits = Limits(rows=3, shelves=2, chunk_tokens=7)
    loaded = load_model(card_of(tiny[0] / "weights"), tiny[0], threads=Threads(1), limits=limits)
    assert isinstance(loaded, OnnxDecoder)
    yield loaded
    await loaded.close()


def tokens(text: str) -> list[int]:
    numbers: list[int] = byte_tokenizer().encode(text).ids
    return numbers


async def test_scores_equal_numpy(
    model: OnnxDecoder, tiny: tuple[Path, dict[str, Any], Tensors]
) -> None:
    context = "the quick brown fox jumps over"
    options = [" y", " no", " a much longer option than the pieces"]
    scores = await model.score(Prompt(context[:9], context[9:]), options)
    expected = [log_likelihood(*tiny[1:], tokens(context), tokens(option)) for option in options]
    assert scores.log_likelihoods == pytest.approx(expected, abs=TOLERANCE)
    assert scores.usage.prompt_tokens == len(tokens(context))
    assert scores.usage.completion_tokens == sum(len(tokens(option)) for option in options)


async def test_a_kept_prefix_changes_nothing_but_the_work(model: OnnxDecoder) -> None:
    prefix, text, options = "examples: a=b, c=d, e=f; ", "now g=", ["h", "hh"]
    alone = await model.score(Prompt("", prefix + text), options)
    first = await model.score(Prompt(prefix, text), options)
    again = await model.score(Prompt(prefix, text), options)
    longer = await model.score(Prompt(prefix + "now", " g="), options)
    for other in (first, again, longer):
        assert other.log_likelihoods == pytest.approx(alone.log_likelihoods, abs=TOLERANCE)
    assert alone.usage.cached_tokens == 0
    assert again.usage.cached_tokens == len(tokens(prefix))
    assert longer.usage.cached_tokens == len(tokens(prefix)), "the common beginning is reused"


async def test_prefixes_make_room_for_each_other(model: OnnxDecoder) -> None:
    prefixes = ["one one one ", "two two two ", "three three "]
    seen = [await model.score(Prompt(prefix, "x"), ["y"]) for prefix in prefixes]
    last = [await model.score(Prompt(prefix, "x"), ["y"]) for prefix in prefixes]
    for before, after in zip(seen, last, strict=True):
        assert after.log_likelihoods == pytest.approx(before.log_likelihoods, abs=TOLERANCE)


async def test_greedy_text_equals_numpy(
    model: OnnxDecoder, tiny: tuple[Path, dict[str, Any], Tensors]
) -> None:
    sequence = tokens("once upon a time")
    expected: list[int] = []
    for _ in range(12):
        token = int(decoder_logits(*tiny[1:], sequence + expected)[-1].argmax())
        if token == tokens("<|endoftext|>")[0]:
            break
        expected.append(token)
    generation = await model.generate(Prompt("once ", "upon a time"), Sampling(12))
    assert generation.usage.completion_tokens == len(expected)
    assert generation.text == byte_tokenizer().decode(expected).rstrip("\ufffd")


async def test_beside_others_as_alone(model: OnnxDecoder) -> None:
    """Seven generations over three rows, with scores between: joins, leaves and moves."""
    calls = [
        (
            Prompt("shared beginning ", f"number {number}"),
            Sampling(3 + 5 * (number % 3), 0.8, number),
        )
        for number in range(7)
    ]
    alone = [await model.generate(*call) for call in calls]
    lonely = await model.score(Prompt("shared beginning ", "score"), ["a", "b c"])
    texts, scores = await asyncio.gather(
        asyncio.gather(*(model.generate(*call) for call in calls)),
        asyncio.gather(
            *(model.score(Prompt("shared beginning ", "score"), ["a", "b c"]) for _ in range(3))
        ),
    )
    assert [result.text for result in texts] == [result.text for result in alone]
    for score in scores:
        assert score.log_likelihoods == pytest.approx(lonely.log_likelihoods, abs=TOLERANCE)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Tensors]:
    """One family for what does not depend on it."""
    root = tmp_path_factory.mktemp("llama")
    config = decoder_config("llama")
    tensors = write_decoder(root / "weights", config)
    export(card_of(root / "weights"), root)
    return root, config, tensors


def _load(root: Path, limits: Limits | None = None) -> OnnxDecoder:
    loaded = load_model(card_of(root / "weights"), root, threads=Threads(1), limits=limits)
    assert isinstance(loaded, OnnxDecoder)
    return loaded


async def test_a_border_inside_a_token_is_scored_as_the_model_reads_it(
    llama: tuple[Path, dict[str, Any], Tensors],
) -> None:
    """Blank and "ye" join into one token: both options are scored from before the blank."""
    model = _load(llama[0])
    scores = await model.score(Prompt("", "say "), ["yes", "no"])
    context = tokens("say")
    expected = [
        log_likelihood(*llama[1:], context, tokens(f"say {option}")[len(context) :])
        for option in ("yes", "no")
    ]
    assert tokens("say yes") != tokens("say ") + tokens("yes")
    assert scores.log_likelihoods == pytest.approx(expected, abs=TOLERANCE)
    await model.close()


async def test_stop_strings_seeds_and_lengths(llama: tuple[Path, dict[str, Any], Tensors]) -> None:
    model = _load(llama[0])
    prompt = Prompt("", "tell me")
    free = await model.generate(prompt, Sampling(20, 1.0, 5))
    assert free == await model.generate(prompt, Sampling(20, 1.0, 5))
    assert free.text != (await model.generate(prompt, Sampling(20, 1.0, 6))).text
    stop = free.text[4:6]
    stopped = await model.generate(prompt, Sampling(20, 1.0, 5, (stop,)))
    assert (stopped.text, stopped.finish) == (free.text[: free.text.index(stop)], "stop")
    full = await model.generate(prompt, Sampling(1000))
    assert full.usage.prompt_tokens + full.usage.completion_tokens <= CONTEXT
    await model.close()


async def test_what_does_not_fit_is_poison(llama: tuple[Path, dict[str, Any], Tensors]) -> None:
    model = _load(llama[0])
    with pytest.raises(
        Poison, match=rf"{CONTEXT + 5} tokens, model 'tiny' reads {CONTEXT}"
    ) as caught:
        await model.score(Prompt("", "x" * CONTEXT), ["short", "abc"])
    assert caught.value.reason == "TOO_LONG"
    with pytest.raises(Poison, match="at least"):
        await model.generate(Prompt("", "x" * 5_000_000), Sampling(1))
    with pytest.raises(Poison, match="no options"):
        await model.score(Prompt("", "x"), [])
    with pytest.raises(Poison, match="adds no token"):
        await model.score(Prompt("", "x"), ["y", ""])
    with pytest.raises(ConfigError, match="tokens_max"):
        await model.generate(Prompt("", "x"), Sampling(0))
    with pytest.raises(ConfigError, match="'tiny' is a decoder and cannot embed"):
        await model.embed(["x"])
    scores = await model.score(Prompt("", ""), ["a", "b"])
    assert np.isfinite(scores.log_likelihoods).all(), (
        "the engine goes on, and an empty prompt is one"
    )
    await model.close()


async def test_a_full_engine_refuses_and_a_closed_one_says_so(
    llama: tuple[Path, dict[str, Any], Tensors],
) -> None:
    model = _load(llama[0], Limits(rows=2, shelves=2, jobs=4))
    calls = [asyncio.ensure_future(model.generate(Prompt("", "x"), Sampling(60))) for _ in range(9)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [result for result in results if isinstance(result, Overloaded)]
    assert refused and len(refused) + sum(not isinstance(r, BaseException) for r in results) == 9
    await model.close()
    with pytest.raises(Retryable, match="closed"):
        await model.generate(Prompt("", "x"), Sampling(1))


async def test_a_cancelled_call_leaves_room(llama: tuple[Path, dict[str, Any], Tensors]) -> None:
    model = _load(llama[0], Limits(rows=1, shelves=2))
    long = asyncio.ensure_future(model.generate(Prompt("", "x"), Sampling(80)))
    await asyncio.sleep(0)
    long.cancel()
    assert (await model.generate(Prompt("", "y"), Sampling(2))).usage.completion_tokens <= 2
    await model.close()


async def test_chats_are_rendered_by_the_models_template(
    llama: tuple[Path, dict[str, Any], Tensors],
) -> None:
    model = _load(llama[0])
    chat = [("system", "be brief"), ("user", "hello")]
    assert model.render(chat) == "<system>be brief\n<user>hello\n<assistant>"
    assert model.render(chat, open_turn=False) == "<system>be brief\n<user>hello\n"
    await model.close()
