"""Golden vectors of weight pools: pool tensors with blobs that need them, and sums worked out literally."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.vectors.literal_pool import LANES, Arithmetic
from tools.vectors.numbers import noise
from wpconvert.codecs import Lut, Pool, encode, parse
from wpconvert.codecs.blob import build

Weights = NDArray[np.int8]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class PoolVector:
    """A pool, and a blob of codec pool with the weights it decodes to."""

    pool: Pool
    blob: Bytes
    weights: Weights
    covers: str


def _pool(size: int, limit: int, seed: int, lut_bits: int, lut_shift: int, lut: Lut) -> Pool:
    """Vectors of elements from −limit to limit."""
    values = noise(size * LANES, seed) % (2 * limit + 1) - limit
    return Pool(values.astype(np.int8).reshape(size, LANES), lut_bits, lut_shift, lut)


def _vector(pool: Pool, shape: tuple[int, ...], seed: int, covers: str) -> PoolVector:
    groups = -(-shape[-1] // LANES)
    index = noise(int(np.prod(shape[:-1])) * groups, seed) % pool.size
    lanes = pool.vectors[index].reshape(*shape[:-1], groups * LANES)
    weights = np.ascontiguousarray(lanes[..., : shape[-1]])
    return PoolVector(pool, encode("pool", weights, 1, side=pool), weights, covers)


def _lenient(pool: Pool) -> PoolVector:
    """Indices of 8 bits where 2 do, the row block size of no use, and ones in the bytes after the section."""
    index = (noise(4 * 3, 107) % pool.size).astype(np.uint8).reshape(4, 3)
    weights = pool.vectors[index].reshape(4, 24)
    layout = parse(encode("pool", weights, 1, side=pool)).layout
    blob = build(6, layout, 15, 8, [[index]])
    blob[-4:] = 0xFF
    return PoolVector(pool, blob, weights, "indices wider than needed, ones in bytes that readers ignore")


def _noisy_rows(vector: PoolVector, used: int, covers: str) -> PoolVector:
    """Ones in the bits after the last index of a row, of which `used` bits of the last byte belong to indices."""
    blob = parse(vector.blob)
    rows = blob.sections[0].reshape(blob.rows, -1).copy()
    rows[:, -1] |= np.uint8(0xFF << used & 0xFF)
    noisy = build(blob.codec, blob.layout, blob.block_log2, blob.flags, [[rows]])
    return PoolVector(vector.pool, noisy, vector.weights, covers)


def pools() -> dict[str, PoolVector]:
    """By vector name, without codec."""
    three = _pool(3, 12, 101, 8, 0, Lut.FLASH)
    rounded = _pool(5, 100, 102, 4, 6, Lut.FLASH)
    extremes = Pool(np.array([[-128] * 8, [127] * 8], np.int8), 16, 0, Lut.NONE)
    odd = _vector(_pool(37, 15, 104, 8, 0, Lut.NONE), (5, 3, 1, 11), 105, "")
    return {
        "conv": _vector(three, (6, 3, 3, 16), 100, "convolution, a stored table of 8-bit entries, of 3 vectors"),
        "rounded": _vector(rounded, (7, 40), 103, "fully connected, a stored table of rounded 4-bit entries"),
        "extremes": _vector(
            extremes, (4, 1, 1, 20), 106, "elements −128 and 127, entries of 16 bits, indices of a bit"
        ),
        "odd_depth": _noisy_rows(odd, 6 * 6 % 8, "11 channels: the last group of a tap has 3"),
        "one_vector": _vector(_pool(1, 100, 108, 16, 0, Lut.FLASH), (3, 9), 109, "a stored table of 16-bit entries"),
        "largest": _vector(_pool(256, 15, 110, 8, 0, Lut.RAM), (9, 72), 111, "256 vectors, indices of a byte"),
        "lenient": _lenient(three),
    }


_SUM_CASES = (("conv", (8, 5, 1)), ("rounded", (8, 7, 4, 1)), ("extremes", (8, 3)), ("one_vector", (8, 6, 2)))
_ZERO_POINTS = (-128, -3, 0, 127)


def pool_sums_csv() -> bytes:
    """Levels and sums of eight activations with a vector of each pool, for several widths and zero points."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    lanes = range(LANES)
    writer.writerow(
        ["name", "act_bits", "zero_point", "vector", *(f"x{j}" for j in lanes), *(f"level{j}" for j in lanes), "sum"]
    )
    made = pools()
    for seed, (name, widths) in enumerate(_SUM_CASES):
        pool = made[name].pool
        for row, (act_bits, point) in enumerate((width, point) for width in widths for point in _ZERO_POINTS):
            arithmetic = Arithmetic(pool.vectors.tolist(), pool.lut_shift, act_bits, point)
            x = [int(v) for v in noise(LANES, 200 + 50 * seed + row) % 256 - 128]
            x[row % LANES], x[(row + 3) % LANES] = point, (-128, 127)[row % 2]
            levels = [arithmetic.level(value) for value in x]
            s = row % pool.size
            writer.writerow([f"pool_{name}", act_bits, point, s, *x, *levels, arithmetic.look_up(levels, s)])
    return out.getvalue().encode()
