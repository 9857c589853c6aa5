"""The scratch that operators ask for in TensorFlow Lite Micro, and where its planner puts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wpconvert.codecs.alignment import aligned
from wpconvert.errors import UnsupportedError
from wpconvert.graph.attributes import SAME, Convolution
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.graph.structure import Graph, Operator
from wpconvert.graph.types import element_count
from wpconvert.graph.windows import surplus
from wpconvert.memory.buffers import Buffer
from wpconvert.native import extension

HELIUM, DSP = "Cortex-M55", "Cortex-M4"
_CHANNELS_AT_A_TIME = 124
"""Of depthwise convolutions with Helium."""


@dataclass(frozen=True)
class Scratch:
    """Scratch on a core, a buffer for each request: in TFLM, and in the bundled runtime.

    `bundled_nbytes`: what the bundled runtime needs for activations and scratch together.
    """

    tflm: tuple[Buffer, ...]
    bundled: tuple[Buffer, ...]
    bundled_nbytes: int


def scratch_of(graph: Graph, data: bytes) -> dict[str, Scratch]:
    """By core, what the operators of subgraph 0 ask for: ours, CMSIS-NN's on cores that it is for, TFLM's for the rest.

    data: the model's file. Raises UnsupportedError where the native engine is not built, and for a model that the
    bundled runtime refuses.
    """
    native = extension()
    found = {}
    for core in native.cores():
        try:
            nbytes, bundled = native.lower_arena(data, core)
            ours = dict(native.lower_arena(data, core, spare=False)[1])
        except native.Error as error:
            raise UnsupportedError(str(error)) from error
        tflm: list[Buffer] = []
        for step, operator in enumerate(graph.main.operators):
            requests = [ours.get(step, 0)] if operator.kind in BUILTIN_NAMES else _stock(core, operator)
            tflm += [Buffer(aligned(request), step, step) for request in requests if request > 0]
        found[core] = Scratch(tuple(tflm), tuple(Buffer(n, step, step) for step, n in bundled), nbytes)
    return found


def _stock(core: str, operator: Operator) -> list[int]:
    """Bytes of each request of an operator that is not ours."""
    ask = _STOCK.get(operator.kind)
    return [] if ask is None else ask(core, _Shapes(operator))


class _Shapes:
    """Shapes and options of an operator: input, weights (or axes), output."""

    def __init__(self, operator: Operator) -> None:
        inputs = [tensor.shape for tensor in operator.inputs if tensor is not None]
        self.x, self.w = inputs[0], inputs[1] if len(inputs) > 1 else ()
        self.y = operator.outputs[0].shape
        self._operator = operator

    @property
    def options(self) -> Convolution:
        """Of a convolution."""
        return self._operator.attributes_as(Convolution)

    @property
    def is_dilated(self) -> bool:
        return self.options.dilation != (1, 1)

    def padding(self, axis: int) -> int:
        """Elements in front of the image along axis 1 or 2."""
        if self.options.padding != SAME:
            return 0
        stride, dilation = self.options.stride[axis - 1], self.options.dilation[axis - 1]
        return surplus(self.x[axis], self.y[axis], self.w[axis], stride, dilation) // 2


def _convolution(core: str, shapes: _Shapes) -> list[int]:
    """One window for each pixel that is multiplied at a time; pixels are read where they are."""
    _, height, width, depth = shapes.w
    if (height, width) == (1, 1) and not shapes.is_dilated and depth == shapes.x[3]:
        return [0]
    window = height * width * shapes.x[3]
    if core != HELIUM:
        return [2 * 2 * -(-window // 4) * 4]
    stride = shapes.options.stride_w
    if shapes.x[1] == height == 1 and not shapes.is_dilated and stride * depth % 4 == 0 and depth == shapes.x[3]:
        return [_row_of_windows(shapes, stride)]
    return [4 * -(-window // 16) * 16]


def _row_of_windows(shapes: _Shapes, stride: int) -> int:
    """Of a convolution along one axis: windows that reach beyond the image."""
    _, _, width, depth = shapes.w
    left, uneven = shapes.padding(2), ((shapes.y[2] - 1) * stride + width - shapes.x[2]) % 2
    right = left + uneven
    beyond = [max(1, -(-pad // stride)) if pad else 0 for pad in (left, right)]
    if sum(beyond) > shapes.y[2]:
        return 4 * -(-width * depth // 16) * 16
    ends = (left * depth, beyond[1] * depth if uneven else left * depth)
    return max(width * depth + ends[0], (width - 1) * depth + ends[1])


def _depthwise(core: str, shapes: _Shapes) -> list[int]:
    """Windows of a block of channels, or the weights in 16 bits."""
    _, height, width, channels = shapes.w
    if core == HELIUM and shapes.x[3] == 1 and channels > 1:
        return [4 * -(-height * width // 16) * 16 + height * width * channels]
    if shapes.x[3] != channels or shapes.x[0] != 1 or shapes.is_dilated:
        return [0]
    if core == HELIUM:
        return [4 * _CHANNELS_AT_A_TIME * height * width]
    small = (height, width) == (3, 3) and max(shapes.padding(1), shapes.padding(2)) <= 1
    return [2 * channels * height * width if core == DSP and not small else 0]


def _average(core: str, shapes: _Shapes) -> list[int]:
    return [4 * shapes.x[3] if core == DSP else 0]


def _reduction(_: str, shapes: _Shapes) -> list[int]:
    return [4 * len(shapes.x), 4 * element_count(shapes.w)]


def _mean(core: str, shapes: _Shapes) -> list[int]:
    return [4 * element_count(shapes.y), *_reduction(core, shapes)]


_STOCK: dict[str, Callable[[str, _Shapes], list[int]]] = {
    "AVERAGE_POOL_2D": _average,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "MEAN": _mean,
    "REDUCE_MAX": _reduction,
    "SUM": _mean,
}
"""Operators that need scratch in TFLM, of those that our runtime has: tflite-micro 90b983c2, CMSIS-NN 4ab83cc3."""


def persistent_nbytes(graph: Graph, core: str) -> int:
    """About what TFLM's interpreter and operators keep, on a 32-bit core, in bytes; measured on a Cortex-M55."""
    total = _KEPT_ONCE + _KEPT_BY_TENSOR * len(graph.main.tensors)
    for operator in graph.main.operators:
        total += _KEPT.get(operator.kind, _KEPT_BY_OTHERS)
        if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            total += _KEPT_BY_CHANNEL * len(operator.tensor(1).parameters().scales)
        elif operator.kind == "FULLY_CONNECTED" and core == HELIUM:
            total += _KEPT_BY_SUM * operator.tensor(1).shape[0]
    return total


_KEPT_ONCE, _KEPT_BY_TENSOR, _KEPT_BY_CHANNEL, _KEPT_BY_SUM, _KEPT_BY_OTHERS = 255, 12, 8, 4, 69
_KEPT = {
    "ADD": 101,
    "AVERAGE_POOL_2D": 117,
    "CONV_2D": 133,
    "DEPTHWISE_CONV_2D": 133,
    "DEQUANTIZE": 49,
    "FULLY_CONNECTED": 133,
    "MAX_POOL_2D": 117,
    "MEAN": 101,
    "QUANTIZE": 49,
    "REDUCE_MAX": 101,
    "RESHAPE": 53,
    "SOFTMAX": 101,
    "STRIDED_SLICE": 149,
    "SUB": 85,
    "WP_ADD": 213,
    "WP_CONV_2D": 277,
    "WP_DEPTHWISE_CONV_2D": 261,
    "WP_FULLY_CONNECTED": 213,
    "WP_LOOKUP": 53,
    "WP_MUL": 197,
}
"""Bytes for each operator: the interpreter's and its own."""
