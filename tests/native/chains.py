"""Small models that have each of the operators between them: where fuzzing starts."""

from __future__ import annotations

import numpy as np

from tests.support.models import ModelBuilder
from wpconvert.formats.tflite.schema import TensorType, options


def elements() -> bytes:
    """Convolutions, pooling and element-wise operators in a chain; int8 from end to end."""
    generator = np.random.default_rng(3)
    b = ModelBuilder()
    x = b.input((1, 9, 9, 3), 0.1, 3)
    weights = np.where(generator.random((20, 3, 3, 3)) < 0.7, 0, generator.integers(-127, 128, (20, 3, 3, 3)))
    x = b.conv2d(x, weights.astype(np.int8), range(20), scale=0.2, weight_scales=0.01, stride=(2, 2), padding="VALID")
    x = b.op("RELU6", [x], [b.like(x)])
    y = b.op("RELU", [x], [b.tensor((1, 4, 4, 20), "int8", 0.15, -5)])
    x = b.op("SUB", [x, y], [b.tensor((1, 4, 4, 20), "int8", 0.3, 7)], options("SubOptions"))
    x = b.op("ADD", [x, b.constant(np.array([5, -5] * 10, np.int8), 0.2, 1)], [b.like(x)], options("AddOptions"))
    y = b.op("LOGISTIC", [x], [b.tensor((1, 4, 4, 20), "int8", 1 / 256, -128)])
    x = b.op("TANH", [x], [b.tensor((1, 4, 4, 20), "int8", 1 / 128, 0)])
    x = b.op("MUL", [x, y], [b.tensor((1, 4, 4, 20), "int8", 0.01, -3)], options("MulOptions"))
    pool = options("Pool2DOptions", filterHeight=2, filterWidth=3, strideH=2, strideW=1)
    x = b.op("AVERAGE_POOL_2D", [x], [b.like(x, (1, 2, 4, 20))], pool)
    x = b.op("QUANTIZE", [x], [b.tensor((1, 2, 4, 20), "int8", 0.02, 9)], options("QuantizeOptions"))
    x = b.op("LEAKY_RELU", [x], [b.like(x)], options("LeakyReluOptions", alpha=0.3))
    x = b.op("WP_LOOKUP", [x, b.constant((np.arange(256) * 3 % 256 - 128).astype(np.int8))], [b.like(x)])
    x = b.op("MEAN", [x, b.constant([1, 2])], [b.like(x, (1, 20))], options("ReducerOptions"))
    b.output(b.op("SOFTMAX", [x], [b.tensor((1, 20), "int8", 1 / 256, -128)], options("SoftmaxOptions", beta=1.0)))
    return b.to_bytes()


def moves() -> bytes:
    """Operators that move values or compute shapes; int8 and int32 from end to end."""
    b = ModelBuilder()
    x = b.input((1, 4, 6, 3), 0.1, 3)
    shape = b.op("SHAPE", [x], [b.tensor((4,), "int32")], options("ShapeOptions", outType=TensorType.INT32))
    vectors = [b.constant([value]) for value in (0, 1, 1)]
    slicing = options("StridedSliceOptions", shrinkAxisMask=1)
    batch = b.op("STRIDED_SLICE", [shape, *vectors], [b.tensor((), "int32")], slicing)
    rest = b.constant(np.array(-1, np.int32))
    target = b.op("PACK", [batch, rest], [b.tensor((2,), "int32")], options("PackOptions", valuesCount=2))
    halves = [b.like(x, (1, 4, 3, 3)) for _ in range(2)]
    b.op("SPLIT", [b.constant(np.array(2, np.int32)), x], halves, options("SplitOptions", numSplits=2))
    pads = b.constant(np.array([[0, 0], [1, 0], [0, 2], [1, 1]], np.int32))
    fill = b.constant(np.array([9], np.int8), 0.1, 3)
    y = b.op("PADV2", [halves[0], pads, fill], [b.like(x, (1, 5, 5, 5))], options("PadV2Options"))
    z = b.op("PAD", [halves[1], pads], [b.like(x, (1, 5, 5, 5))], options("PadOptions"))
    x = b.op("CONCATENATION", [y, z], [b.like(x, (1, 5, 10, 5))], options("ConcatenationOptions", axis=2))
    x = b.op("TRANSPOSE", [x, b.constant([0, 3, 1, 2])], [b.like(x, (1, 5, 5, 10))], options("TransposeOptions"))
    x = b.op("REDUCE_MAX", [x, b.constant([1])], [b.like(x, (1, 5, 10))], options("ReducerOptions"))
    x = b.op("EXPAND_DIMS", [x, b.constant(np.array(1, np.int32))], [b.like(x, (1, 1, 5, 10))])
    slices = [b.constant(values) for values in ([0, 0, 4, 0], [1, 1, -6, 10], [1, 1, -2, 3])]
    x = b.op("STRIDED_SLICE", [x, *slices], [b.like(x, (1, 1, 3, 4))], options("StridedSliceOptions"))
    x = b.op("SQUEEZE", [x], [b.like(x, (1, 3, 4))], options("SqueezeOptions", squeezeDims=[1]))
    b.output(b.op("RESHAPE", [x, target], [b.like(x, (1, 12))], options("ReshapeOptions")), target)
    return b.to_bytes()
