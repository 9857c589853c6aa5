"""Samples of the operators without weights, in a few sizes each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.support.models import ModelBuilder, out_size
from tools.calibration.layers import Add, Sample
from wpconvert.formats.tflite.schema import Padding, TensorType, options

IMAGES = (
    (1, 1, 1, 10),
    (1, 1, 1, 64),
    (1, 1, 1, 1280),
    (1, 3, 3, 80),
    (1, 4, 6, 33),
    (1, 6, 6, 96),
    (1, 8, 8, 3),
    (1, 12, 12, 16),
    (1, 16, 16, 40),
    (1, 25, 5, 64),
    (1, 24, 24, 16),
    (1, 32, 32, 1),
    (1, 49, 10, 1),
    (1, 48, 48, 8),
)
ACTIVATIONS: dict[str, tuple[float, int]] = {
    "RELU": (0.05, -128),
    "RELU6": (0.05, -128),
    "HARD_SWISH": (0.05, -20),
    "LOGISTIC": (1 / 256, -128),
    "TANH": (1 / 128, 0),
}
POOLS = (((2, 2), (2, 2)), ((3, 3), (1, 1)), ((3, 3), (2, 2)))


def operators() -> Iterator[Sample]:
    """Every operator of the runtime that has no weights."""
    for shape in IMAGES:
        for add in (*_binary(shape), *_elementwise(shape), *_moves(shape), *_reductions(shape)):
            yield Sample(add, shape)
        for add in _pools(shape):
            yield Sample(add, shape)
        yield Sample(_simple("QUANTIZE", "int8", 0.05, "QuantizeOptions"), shape, dtype="float32")
        yield Sample(_reduce("REDUCE_MAX", (1, 2), "float32"), shape, dtype="float32")
        yield Sample(_simple("RESHAPE", "float32", None, "ReshapeOptions", flat=True), shape, dtype="float32")


def _simple(name: str, dtype: str, scale: float | None, table: str | None, flat: bool = False, **fields: Any) -> Add:
    def add(b: ModelBuilder, _: Any, x: int) -> int:
        shape = (1, int(np.prod(b.shape(x)))) if flat else b.shape(x)
        inputs = [x, b.constant(list(shape))] if name == "RESHAPE" else [x]
        zero_point = ACTIVATIONS.get(name, (0.0, 3 if scale is not None else 0))[1]
        return b.op(name, inputs, [b.tensor(shape, dtype, scale, zero_point)], table and options(table, **fields))

    return add


def _binary(shape: tuple[int, ...]) -> Iterator[Add]:
    def make(name: str, other: tuple[int, ...] | None) -> Add:
        def add(b: ModelBuilder, _: Any, x: int) -> int:
            values = np.arange(int(np.prod(other or shape))) % 100
            y = b.constant(values.astype(np.int8).reshape(other or shape), 0.1, 3)
            table = f"{name.capitalize()}Options"
            return b.op(name, [x, y], [b.tensor(shape, "int8", 0.15, 1)], options(table))

        return add

    for name in ("ADD", "SUB", "MUL"):
        for other in (None, (1,), shape[3:]):
            if int(np.prod(shape)) < 20000 or other is not None:
                yield make(name, other)


def _elementwise(shape: tuple[int, ...]) -> Iterator[Add]:
    for name, (scale, _) in ACTIVATIONS.items():
        yield _simple(name, "int8", scale, "HardSwishOptions" if name == "HARD_SWISH" else None)
    yield _simple("LEAKY_RELU", "int8", 0.06, "LeakyReluOptions", alpha=0.3)
    yield _simple("QUANTIZE", "int8", 0.02, "QuantizeOptions")
    yield _simple("DEQUANTIZE", "float32", None, "DequantizeOptions")
    yield _softmax(shape)
    yield _lookup(shape)


def _softmax(shape: tuple[int, ...]) -> Add:
    def add(b: ModelBuilder, _: Any, x: int) -> int:
        return b.op("SOFTMAX", [x], [b.tensor(shape, "int8", 1 / 256, -128)], options("SoftmaxOptions", beta=1.0))

    return add


def _lookup(shape: tuple[int, ...]) -> Add:
    def add(b: ModelBuilder, _: Any, x: int) -> int:
        table = b.constant(np.arange(-128, 128).astype(np.int8))
        return b.op("WP_LOOKUP", [x, table], [b.tensor(shape, "int8", 0.02, 1)])

    return add


def _reduce(name: str, axes: tuple[int, ...], dtype: str = "int8") -> Add:
    def add(b: ModelBuilder, _: Any, x: int) -> int:
        kept = [size for axis, size in enumerate(b.shape(x)) if axis not in axes]
        y = b.tensor(kept, dtype, None if dtype != "int8" else 0.05)
        return b.op(name, [x, b.constant(list(axes))], [y], options("ReducerOptions"))

    return add


def _reductions(shape: tuple[int, ...]) -> Iterator[Add]:
    yield _reduce("MEAN", (1, 2))
    yield _reduce("REDUCE_MAX", (1, 2))
    if shape[1] > 1:
        yield _reduce("MEAN", (1,))
        yield _reduce("REDUCE_MAX", (1,))


def _pools(shape: tuple[int, ...]) -> Iterator[Add]:
    def make(name: str, window: tuple[int, int], step: tuple[int, int]) -> Add:
        def add(b: ModelBuilder, _: Any, x: int) -> int:
            (height, width), channels = b.shape(x)[1:3], b.shape(x)[3]
            size = [out_size(n, w, s, "VALID") for n, w, s in zip((height, width), window, step, strict=True)]
            fields = {"filterHeight": window[0], "filterWidth": window[1], "strideH": step[0], "strideW": step[1]}
            y = b.tensor((1, *size, channels), "int8", b.scale(x))
            return b.op(name, [x], [y], options("Pool2DOptions", padding=Padding.VALID, **fields))

        return add

    for name in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        for window, step in (*POOLS, (shape[1:3], (1, 1))):
            if window[0] <= shape[1] and window[1] <= shape[2]:
                yield make(name, (window[0], window[1]), step)


def _moves(shape: tuple[int, ...]) -> Iterator[Add]:
    flat = (1, int(np.prod(shape)))
    _, height, width, channels = shape

    def constants(b: ModelBuilder, *values: Any) -> list[int]:
        return [b.constant(np.asarray(value, np.int32)) for value in values]

    def pad(b: ModelBuilder, _: Any, x: int) -> int:
        y = b.like(x, (1, height + 1, width + 1, channels))
        return b.op("PAD", [x, *constants(b, [[0, 0], [0, 1], [0, 1], [0, 0]])], [y], options("PadOptions"))

    def padv2(b: ModelBuilder, _: Any, x: int) -> int:
        y = b.like(x, (1, height + 2, width + 2, channels))
        fill = b.constant(np.array([9], np.int8), b.scale(x), 0)
        pads = constants(b, [[0, 0], [1, 1], [1, 1], [0, 0]])
        return b.op("PADV2", [x, *pads, fill], [y], options("PadV2Options"))

    def concatenation(b: ModelBuilder, _: Any, x: int) -> int:
        y = b.like(x, (1, height, width, 2 * channels))
        return b.op("CONCATENATION", [x, x], [y], options("ConcatenationOptions", axis=3))

    def pack(b: ModelBuilder, _: Any, x: int) -> int:
        return b.op("PACK", [x, x], [b.like(x, (2, *shape))], options("PackOptions", valuesCount=2))

    def split(b: ModelBuilder, _: Any, x: int) -> int:
        halves = [b.like(x, (1, height, width // 2, channels)) for _ in range(2)]
        return b.op("SPLIT", [*constants(b, 2), x], halves, options("SplitOptions", numSplits=2))

    def transpose(b: ModelBuilder, _: Any, x: int) -> int:
        y = b.like(x, (1, channels, height, width))
        return b.op("TRANSPOSE", [x, *constants(b, [0, 3, 1, 2])], [y], options("TransposeOptions"))

    def strided_slice(b: ModelBuilder, _: Any, x: int) -> int:
        y = b.like(x, (1, -(-height // 2), width, channels))
        parts = constants(b, [0, 0, 0, 0], list(shape), [1, 2, 1, 1])
        return b.op("STRIDED_SLICE", [x, *parts], [y], options("StridedSliceOptions"))

    def squeeze(b: ModelBuilder, _: Any, x: int) -> int:
        return b.op("SQUEEZE", [x], [b.like(x, shape[1:])], options("SqueezeOptions", squeezeDims=[0]))

    def expand(b: ModelBuilder, _: Any, x: int) -> int:
        return b.op("EXPAND_DIMS", [x, *constants(b, 1)], [b.like(x, (1, *shape))])

    def size(b: ModelBuilder, _: Any, x: int) -> int:
        y = b.tensor((4,), "int32")
        return b.op("SHAPE", [x], [y], options("ShapeOptions", outType=TensorType.INT32))

    def reshape(b: ModelBuilder, _: Any, x: int) -> int:
        return b.reshape(x, flat)

    yield from (pad, padv2, concatenation, pack, transpose, strided_slice, squeeze, expand, size, reshape)
    if width % 2 == 0:
        yield split
