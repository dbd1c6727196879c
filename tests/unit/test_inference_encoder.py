"""The encoder against numpy: vectors alone, in padded batches and beside other calls."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comitia.errors import ConfigError, Poison
from comitia.inference.encoder import OnnxEncoder
from comitia.inference.export.make import export
from comitia.inference.load import load_model
from comitia.inference.session import Threads
from comitia.ports import Prompt, Sampling
from tests.unit.inference_models import (
    Tensors,
    byte_tokenizer,
    card_of,
    encoder_config,
    write_encoder,
)
from tests.unit.inference_reference import encoder_states

TEXTS = ["a", "a longer text, of many more tokens", "something between", "b" * 40, "a"]
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Tensors]:
    root = tmp_path_factory.mktemp("bert")
    config = encoder_config()
    tensors = write_encoder(root / "weights", config)
    for pooling in ("mean", "cls"):
        card = card_of(root / "weights", "encoder", pooling=pooling)
        built = export(card, root / pooling)
        assert built.manifest.attention_nodes == config["num_hidden_layers"]
    return root, config, tensors


def _load(root: Path, pooling: str) -> OnnxEncoder:
    card = card_of(root / "weights", "encoder", pooling=pooling)
    model = load_model(card, root / pooling, threads=Threads(1))
    assert isinstance(model, OnnxEncoder)
    return model


@pytest.mark.parametrize("pooling", ["mean", "cls"])
async def test_vectors_equal_numpy(
    tiny: tuple[Path, dict[str, Any], Tensors], pooling: str
) -> None:
    model = _load(tiny[0], pooling)
    found = await model.embed(TEXTS)
    for text, vector in zip(TEXTS, found.vectors, strict=True):
        states = encoder_states(*tiny[1:], byte_tokenizer().encode(text).ids)
        expected = states[0] if pooling == "cls" else states.mean(0)
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=TOLERANCE)
    assert found.vectors.dtype == np.float32
    assert found.usage.prompt_tokens == sum(len(byte_tokenizer().encode(t).ids) for t in TEXTS)
    await model.close()


async def test_calls_that_share_a_batch_get_their_own_vectors(
    tiny: tuple[Path, dict[str, Any], Tensors],
) -> None:
    model = _load(tiny[0], "mean")
    alone = [(await model.embed([text])).vectors[0] for text in TEXTS]
    both = await asyncio.gather(model.embed(TEXTS[:3]), model.embed(TEXTS[3:]), model.embed([]))
    together = np.concatenate([result.vectors for result in both])
    np.testing.assert_allclose(together, alone, atol=TOLERANCE)
    assert both[2].vectors.shape == (0, tiny[1]["hidden_size"])
    await model.close()


async def test_what_an_encoder_cannot_do(tiny: tuple[Path, dict[str, Any], Tensors]) -> None:
    model = _load(tiny[0], "mean")
    with pytest.raises(Poison, match="49 tokens, model 'tiny' reads 48") as caught:
        await model.embed(["fits", "c" * 49])
    assert caught.value.reason == "TOO_LONG"
    with pytest.raises(ConfigError, match="'tiny' is an encoder and cannot score"):
        await model.score(Prompt("", "x"), ["y"])
    with pytest.raises(ConfigError, match="cannot generate"):
        await model.generate(Prompt("", "x"), Sampling(1))
    with pytest.raises(ConfigError, match="cannot render"):
        model.render([("user", "x")])
    assert len((await model.embed(["fits"])).vectors) == 1, "the engine goes on"
    await model.close()
