"""Packed weights say what they stand for: GGUF blocks without loss, rounding within half a step."""

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray

from comitia.inference.export.blocks import Blocks, from_q4, from_q8_0, stack, to_int8


def unpacked(blocks: Blocks) -> NDArray[np.float32]:
    """The formula of the module, as written there."""
    centred = blocks.q.astype(np.float32) - 2.0 ** (blocks.bits - 1)
    values = blocks.scale[..., None] * centred
    if blocks.offset is not None:
        values = values + blocks.offset[..., None]
    result: NDArray[np.float32] = values.reshape(len(blocks.q), -1)[:, : blocks.columns]
    return result


WEIGHT = np.random.default_rng(3).standard_normal((6, 96)).astype(np.float32)


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q8_0"])
def test_stored_blocks_are_kept_without_loss(kind: str) -> None:
    stored = quantize(WEIGHT, GGMLQuantizationType[kind])
    data = stored.reshape(6, 3, -1)
    blocks = from_q8_0(data) if kind == "Q8_0" else from_q4(data)
    exact = dequantize(stored, GGMLQuantizationType[kind])
    np.testing.assert_allclose(unpacked(blocks), exact, rtol=0, atol=2e-6)
    both = stack([blocks, blocks])
    np.testing.assert_array_equal(unpacked(both), np.concatenate([unpacked(blocks)] * 2))


def test_rounding_stays_within_half_a_step() -> None:
    weight = np.concatenate([WEIGHT[:, :50], np.zeros((6, 20), np.float32)], 1)
    blocks = to_int8(weight)
    step = np.repeat(blocks.scale, 32, 1)[:, :70]
    assert (np.abs(unpacked(blocks) - weight) <= step * 0.501).all()
    assert blocks.q.min() >= 1, "-128 is left out: symmetric"
