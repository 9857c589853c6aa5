"""Means of windows that reach over the edges, which count in part or not: the image in parts with windows alike."""

from __future__ import annotations

from dataclasses import dataclass

from wpconvert.errors import UnsupportedError
from wpconvert.graph.attributes import VALID, ConcatenationOptions, DepthwiseConv2DOptions
from wpconvert.graph.structure import Tensor
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.layout import NHWC, Storage
from wpconvert.lowering.network import Node
from wpconvert.lowering.operators.window import Pair, Window
from wpconvert.lowering.weights import mean_kernel

_MAX_PARTS = 25


@dataclass
class _Part:
    """Neighbouring outputs along an axis: the elements that they read, [first, last); those of one window, and by how
    many they are divided.
    """

    first: int
    last: int
    kernel: int
    divisor: int
    count: int


def emit_in_parts(emitter: Emitter, node: Node, counted: Window | None = None) -> None:
    """A depthwise convolution for each part, and the parts joined; each mean is rounded once.

    counted: a window whose padding counts but for what ceil_mode adds.
    """
    y, window = node.output, node.settings.window
    rows, columns = (_parts(node, axis, counted) for axis in range(2))
    if len(rows) * len(columns) > _MAX_PARTS:
        raise UnsupportedError(
            f"{node}: pads {[*window.before, *window.after]} give windows of more than {_MAX_PARTS} sizes"
        )
    tensor = emitter.laid_out(node.activation(0), NHWC)
    lines = [
        _joined(emitter, node, 2, [_mean(emitter, node, tensor, (row, column)) for column in columns]) for row in rows
    ]
    emitter.alias(node, [Storage(_joined(emitter, node, 1, lines), y.shape, NHWC)])


def _parts(node: Node, axis: int, counted: Window | None) -> list[_Part]:
    window: Window = node.settings.window
    length, kernel = node.activation(0).shape[2 + axis], window.kernel[axis]
    parts: list[_Part] = []
    for index in range(node.output.shape[2 + axis]):
        start = index * window.strides[axis] - window.before[axis]
        first, last = max(start, 0), min(start + kernel, length)
        if first >= last:
            raise UnsupportedError(f"{node}: a window lies outside the image")
        divisor = last - first
        if counted is not None:
            divisor = min(start + kernel, length + counted.after[axis] - counted.extra[axis]) - start
        if last - first == kernel and parts and parts[-1].kernel == kernel:
            parts[-1].last, parts[-1].count = last, parts[-1].count + 1
        else:
            parts.append(_Part(first, last, last - first, divisor, 1))
    return parts


def _mean(emitter: Emitter, node: Node, tensor: Tensor, parts: tuple[_Part, _Part]) -> Tensor:
    """The outputs where these rows and columns meet."""
    x, y, strides = node.activation(0), node.output, node.settings.window.strides
    batch, channels = x.shape[:2]
    row, column = parts
    size = (row.last - row.first, column.last - column.first)
    if size != x.shape[2:]:
        shape = (batch, *size, channels)
        tensor = emitter.sliced(y.name, tensor, (0, row.first, column.first, 0), (1, 1, 1, 1), shape)
    kernel: Pair = (row.kernel, column.kernel)
    inputs = [tensor, *mean_kernel(emitter, node, kernel, row.divisor * column.divisor)]
    output = emitter.tensor(f"{y.name}/part", (batch, row.count, column.count, channels), y.quant)
    settings = DepthwiseConv2DOptions(padding=VALID, stride_h=strides[0], stride_w=strides[1], depth_multiplier=1)
    return emitter.operator("DEPTHWISE_CONV_2D", inputs, output, settings)


def _joined(emitter: Emitter, node: Node, axis: int, tensors: list[Tensor]) -> Tensor:
    if len(tensors) == 1:
        return tensors[0]
    first = tensors[0].shape
    shape = (*first[:axis], sum(tensor.shape[axis] for tensor in tensors), *first[axis + 1 :])
    output = emitter.tensor(f"{node.output.name}/joined", shape, node.output.quant)
    return emitter.operator("CONCATENATION", tensors, output, ConcatenationOptions(axis=axis))
