"""Random weight pools, and models of one pooled operator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.support.models import ModelBuilder, out_size
from wpconvert.codecs import Lut, Pool, encode
from wpconvert.codecs.pool_table import LANES
from wpconvert.graph.custom.operators import OperatorOptions
from wpconvert.graph.custom.table import RequantTable

Rng = np.random.Generator
Pair = tuple[int, int]


def random_pool(rng: Rng, size: int, lut_bits: int = 8, lut_shift: int = 0, lut: Lut = Lut.RAM) -> Pool:
    """Vectors whose sums use the range of the entries, some of them to its ends; the first is a full one."""
    least, most = -(1 << lut_bits - 1 << lut_shift), (1 << lut_bits - 1) - 1 << lut_shift
    vectors = np.zeros((size, LANES), np.int64)
    for s in range(size):
        vector = rng.integers(-128, 128, LANES) * (rng.random(LANES) < rng.choice([0.3, 1.0]))
        for sign, limit in ((1, most), (-1, -least)):
            own = sign * vector > 0
            total = int(np.abs(vector[own]).sum())
            if total > limit:
                vector[own] = np.trunc(vector[own] * (limit / total))
            if s == 0 and own.any():
                # What rounding has left, as far as an element goes.
                at = int(np.argmax(own))
                vector[at] = np.clip(vector[at] + sign * (limit - int(np.abs(vector[own]).sum())), -128, 127)
        vectors[s] = vector
    return Pool(vectors.astype(np.int8), lut_bits, lut_shift, lut)


@dataclass(frozen=True)
class Pooled:
    """Weights made of pool vectors. index: uint8[rows, taps, groups]. shape: of the weights, 2 or 4 dimensions."""

    pool: Pool
    index: NDArray[np.uint8]
    shape: tuple[int, ...]

    @classmethod
    def random(cls, rng: Rng, pool: Pool, shape: tuple[int, ...]) -> Pooled:
        """Any vectors of the pool."""
        taps = int(np.prod(shape[1:-1]))
        index = rng.integers(0, pool.size, (shape[0], taps, -(-shape[-1] // LANES)))
        return cls(pool, index.astype(np.uint8), shape)

    @property
    def weights(self) -> NDArray[np.int8]:
        """The dense weights, int8[shape]."""
        lanes = self.pool.vectors[self.index].reshape(*self.index.shape[:2], -1)
        return lanes[:, :, : self.shape[-1]].reshape(self.shape)


def pooled_model(
    stored: Pooled, table: RequantTable, x_shape: tuple[int, ...], settings: OperatorOptions, codec: str = "pool"
) -> ModelBuilder:
    """WP_CONV_2D or WP_FULLY_CONNECTED, by the dimensions of the weights; with another codec without a pool."""
    b = ModelBuilder()
    x = b.input(x_shape, 0.5, table.input_zero_point)
    parts = [encode(codec, stored.weights, 1, side=stored.pool), table.pack()]
    if codec == "pool":
        parts.append(stored.pool.pack())
    y_shape: tuple[int, ...] = (x_shape[0], stored.shape[0])
    name = "WP_FULLY_CONNECTED"
    if len(stored.shape) == 4:
        size = [
            out_size(x_shape[axis], stored.shape[axis], settings.stride[axis - 1], settings.padding,
                     settings.dilation[axis - 1])
            for axis in (1, 2)
        ]  # fmt: skip
        y_shape, name = (x_shape[0], *size, stored.shape[0]), "WP_CONV_2D"
    y = b.tensor(y_shape, "int8", 0.25, table.output_zero_point)
    constants = [b.constant(part) for part in parts]
    b.output(b.op(name, [x, *constants], [y], custom_options=settings.pack().tobytes()))
    return b
