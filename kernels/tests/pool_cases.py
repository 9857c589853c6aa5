"""Cases for gemm_cases.c of layers made of pool vectors, with the outputs of the reference interpreter.

python kernels/tests/pool_cases.py FILE [--count N] [--seed S]
"""

from __future__ import annotations

import argparse
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from case_parts import Rng, clamp, int8, zero_point
from numpy.typing import NDArray

from wpconvert import codecs
from wpconvert.codecs import Lut, Pool
from wpconvert.codecs.pool_table import LANES, MAX_SHIFT
from wpconvert.graph.arithmetic import requantise
from wpconvert.graph.attributes import SAME, VALID
from wpconvert.graph.custom.levels import level_of, levels
from wpconvert.graph.custom.table import RequantTable
from wpconvert.reference.lookup import lookup_accumulate, prepare_lookup_weights
from wpconvert.reference.window import window_geometry

Pair = tuple[int, int]
_SIZES = (1, 2, 5, 32, 64, 100, 256)


@dataclass(frozen=True)
class Layer:
    """The shape of a layer; a fully connected one is a row of pixels, its batch."""

    x: tuple[int, int, int, int]
    kernel: Pair
    out_channels: int
    groups: int = 1
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: str = SAME
    fully_connected: bool = False


def random_pool(rng: Rng) -> Pool:
    """A pool of any kind, its elements often as large as its table allows."""
    lut_bits = int(rng.choice([4, 8, 8, 16]))
    size = int(rng.choice(_SIZES))
    vectors = rng.integers(-127, 128, (size, LANES)).astype(np.int64)
    vectors[rng.random(vectors.shape) < 0.3] = 0
    lut_shift = int(rng.integers(1, MAX_SHIFT + 1)) if lut_bits == 4 and rng.random() < 0.8 else 0
    # Entries of 4 bits are from -8 to 7; halves are rounded upwards.
    high = ((1 << lut_bits - 1) - 1 << lut_shift) + (1 << lut_shift >> 1) - (1 if lut_shift else 0)
    low = -(1 << lut_bits - 1 + lut_shift)
    for vector in vectors:
        positive, negative = vector[vector > 0].sum(), vector[vector < 0].sum()
        factor = min(1.0, high / max(1, positive), low / min(-1, negative))
        vector[:] = np.trunc(vector * factor)
    lut = Lut(int(rng.integers(1 if lut_shift else 0, 3)))
    return Pool(np.asarray(vectors, np.int8), lut_bits, lut_shift, lut)


def random_layer(rng: Rng) -> Layer:
    """A small layer of any shape."""
    if rng.random() < 0.2:
        depth = int(rng.choice([7, 8, 40, 64, int(rng.integers(1, 200))]))
        batch = int(rng.choice([1, 1, 2, 9]))
        return Layer((batch, 1, 1, depth), (1, 1), int(rng.integers(1, 40)), fully_connected=True)
    groups = int(rng.choice([1, 1, 1, 1, 2]))
    depth = groups * int(rng.choice([3, 8, 16, int(rng.integers(1, 33))]))
    square = rng.random() < 0.6
    height = int(rng.integers(1, 6))
    kernel = (1, 1) if rng.random() < 0.3 else (3, 3) if square else (height, int(rng.integers(1, 20)))
    stride = (1, 1) if rng.random() < 0.6 else (int(rng.integers(1, 4)), int(rng.integers(1, 11)))
    dilation = (1, 1) if rng.random() < 0.8 else (int(rng.integers(1, 4)), int(rng.integers(1, 20)))
    padding = SAME if rng.random() < 0.7 else VALID
    extra = (int(rng.integers(0, 10)), int(rng.choice([0, 1, 7, 20, 140], p=[0.2, 0.3, 0.3, 0.19, 0.01])))
    reach = (1, 1) if padding == SAME else ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1)
    size = (reach[0] + extra[0], reach[1] + extra[1])
    batch = int(rng.choice([1, 1, 1, 2]))
    return Layer((batch, *size, depth), kernel, groups * int(rng.integers(1, 24)), groups, stride, dilation, padding)


def _sums(
    layer: Layer, weights: NDArray[np.int8], pool: Pool, x: NDArray[np.int8], point: int, act_bits: int
) -> NDArray[np.int32]:
    parts = []
    depth, rows = weights.shape[3], len(weights) // layer.groups
    for group in range(layer.groups):
        own = prepare_lookup_weights(weights[group * rows : (group + 1) * rows], pool.lut_shift)
        channels = levels(x[..., group * depth : (group + 1) * depth], act_bits, point)
        level = level_of(point, act_bits)
        parts.append(lookup_accumulate(channels, own, level, act_bits, layer.stride, layer.padding, layer.dilation))
    return np.concatenate(parts, axis=3)


def record(layer: Layer, pool: Pool, act_bits: int, name: str, rng: Rng) -> bytes:
    """The layer as gemm_cases.c reads it, with random weights, input and requantisation."""
    depth = layer.x[3] // layer.groups
    shape = (layer.out_channels, *layer.kernel, depth)
    groups = -(-depth // LANES)
    index = rng.integers(0, pool.size, (*shape[:3], groups))
    weights = np.ascontiguousarray(pool.vectors[index].reshape(*shape[:3], LANES * groups)[..., :depth])
    x, point = int8(rng, layer.x), zero_point(rng)
    sums = _sums(layer, weights, pool, x, point, act_bits)
    (height, width), pads = window_geometry(layer.x[1:3], layer.kernel, layer.stride, layer.padding, layer.dilation)
    multipliers = layer.out_channels if rng.random() < 0.7 else 1
    spread = max(1.0, float(np.abs(sums.astype(np.float64)).mean()))
    real = rng.uniform(20, 120, multipliers) / spread
    exponent = np.floor(np.log2(real)).astype(int) + 1
    multiplier = np.clip(np.round(real / 2.0**exponent * 2**31), 1 << 30, (1 << 31) - 1).astype(np.int32)
    extreme = rng.random() < 0.1
    limit = 1 << 31 if extreme else int(spread) + 1
    bias = rng.integers(-limit, limit, layer.out_channels).astype(np.int32)
    output_point, (low, high) = int(rng.integers(-128, 128)), clamp(rng)
    table = RequantTable(bias, multiplier, exponent.astype(np.int8), point, output_point, low, high, True)
    acc = (sums.astype(np.int64) + bias).astype(np.int32)
    y = requantise(acc, multiplier, exponent.astype(np.int32), output_point, low, high)
    stored = weights.reshape(layer.out_channels, depth) if layer.fully_connected else weights
    blob = codecs.encode("pool", stored, 1, side=pool)
    fields = [
        int(layer.fully_connected), 1, 1, *layer.x, height, width, layer.out_channels, *layer.kernel, depth,
        *layer.stride, *layer.dilation, pads.top, pads.left, int(rng.choice([0, 0, 1000, 40000])), act_bits,
    ]  # fmt: skip
    parts = [blob.tobytes(), table.pack().tobytes(), b"", x.tobytes(), y.astype(np.int8).tobytes()]
    parts.append(pool.pack().tobytes())
    return struct.pack("<21i64s6I", *fields, name.encode()[:63], *map(len, parts)) + b"".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    records = []
    for number in range(arguments.count):
        layer, pool, act_bits = random_layer(rng), random_pool(rng), int(rng.integers(1, 9))
        kind = f"{pool.size}x{pool.lut_bits}>>{pool.lut_shift} {pool.lut.name}"
        records.append(record(layer, pool, act_bits, f"{number} {layer.kernel} {kind} B{act_bits}", rng))
    arguments.file.write_bytes(struct.pack("<2I", len(records), 0) + b"".join(records))


if __name__ == "__main__":
    main()
