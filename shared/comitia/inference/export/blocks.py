"""Weights in blocks of 32 along their columns, as MatMulNBits reads them.

    weight[n, k] = scale[n, b] * (q[n, b, j] - 2**(bits - 1)) + offset[n, b]

with b = k // 32 and j = k % 32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 32


@dataclass(frozen=True, slots=True)
class Blocks:
    """`q`: uint8[rows, blocks, 32]; `scale`, `offset`: float32[rows, blocks], `offset` None where
    all are 0.
    """

    bits: int
    columns: int
    q: NDArray[np.uint8]
    scale: NDArray[np.float32]
    offset: NDArray[np.float32] | None = None


def to_int8(weight: NDArray[np.float32]) -> Blocks:
    """Round to the nearest of 255 steps per block, symmetric about zero. `weight`: float32[rows,
    columns].
    """
    rows, columns = weight.shape
    padded = np.pad(weight, ((0, 0), (0, -columns % BLOCK))).reshape(rows, -1, BLOCK)
    scale = np.maximum(np.abs(padded).max(-1), np.float32(1e-12)) / np.float32(127)
    return Blocks(8, columns, (np.rint(padded / scale[..., None]) + 128).astype(np.uint8), scale)


def from_q8_0(data: NDArray[np.uint8]) -> Blocks:
    """GGUF Q8_0, uint8[rows, blocks, 34]: a float16 scale and 32 signed bytes. Exact."""
    return Blocks(8, data.shape[1] * BLOCK, data[..., 2:] ^ np.uint8(128), _halves(data, 1)[..., 0])


def from_q4(data: NDArray[np.uint8]) -> Blocks:
    """GGUF Q4_0 (18 bytes a block) or Q4_1 (20), uint8[rows, blocks, 18 or 20]. Exact.

    Q4_1 stores w = d*q + m; with the fixed zero point 8 that is d*(q - 8) + (8d + m), hence the
    offset.
    """
    columns, minimum = data.shape[1] * BLOCK, data.shape[2] == 20
    halves = _halves(data, 2 if minimum else 1)
    packed, scale = data[..., 4 if minimum else 2 :], halves[..., 0]
    q = np.concatenate([packed & 15, packed >> 4], -1)
    return Blocks(4, columns, q, scale, halves[..., 1] + 8 * scale if minimum else None)


def stack(parts: Sequence[Blocks]) -> Blocks:
    """Several products of one input as one: rows below rows. All parts are of one kind."""
    first = parts[0]
    offsets = [part.offset for part in parts if part.offset is not None]
    return Blocks(
        first.bits,
        first.columns,
        np.concatenate([part.q for part in parts]),
        np.concatenate([part.scale for part in parts]),
        np.concatenate(offsets) if offsets else None,
    )


def to_floats(blocks: Blocks) -> NDArray[np.float32]:
    """What the blocks stand for, float32[rows, columns]: the formula above."""
    values = blocks.q.astype(np.float32) - np.float32(2 ** (blocks.bits - 1))
    values *= blocks.scale[..., None]
    if blocks.offset is not None:
        values += blocks.offset[..., None]
    return values.reshape(len(values), -1)[:, : blocks.columns]


def _halves(data: NDArray[np.uint8], count: int) -> NDArray[Any]:
    head = np.ascontiguousarray(data[..., : 2 * count])
    return head.view(np.float16).astype(np.float32)
