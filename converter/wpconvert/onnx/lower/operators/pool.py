"""MaxPool and AveragePool."""

from __future__ import annotations

from dataclasses import dataclass

from wpconvert.errors import UnsupportedError
from wpconvert.onnx.lower.attributes import Attributes
from wpconvert.onnx.lower.emitter import Emitter
from wpconvert.onnx.lower.graph import Node, Shape
from wpconvert.onnx.lower.layout import NHWC, Storage
from wpconvert.onnx.lower.operators.pad import surrounded
from wpconvert.onnx.lower.operators.reduce import emit_mean
from wpconvert.onnx.lower.operators.registry import register
from wpconvert.onnx.lower.operators.unary import FINEST
from wpconvert.onnx.lower.operators.window import Window, read_window
from wpconvert.tflite.schema import Padding, options


@dataclass
class Pool:
    """Settings; counts_padding: the mean is over the whole window, with zeros outside the image."""

    window: Window
    counts_padding: bool


def read(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """A window without dilation on an input [batch, channels, height, width]."""
    x = node.activation(0)
    if attributes.integer("channels_last", 0):
        raise UnsupportedError(f"{node}: channels_last, supported are inputs [batch, channels, height, width]")
    window = read_window(node, attributes, x.shape, None)
    if window.dilations != (1, 1):
        raise UnsupportedError(f"{node}: dilations {list(window.dilations)}, supported are pools without")
    counts = bool(attributes.integer("count_include_pad", 0))
    if counts and attributes.integer("ceil_mode", 0):
        raise UnsupportedError(f"{node}: count_include_pad with ceil_mode")
    node.settings = Pool(window, counts)
    return (*x.shape[:2], *window.output((x.shape[2], x.shape[3])))


def emit_max(emitter: Emitter, node: Node) -> None:
    """MAX_POOL_2D, which keeps the quantisation; padding that SAME does not describe is the lowest value."""
    x, window = node.activation(0), node.settings.window
    tensor = emitter.laid_out(x, NHWC)
    padding = window.padding((x.shape[2], x.shape[3]))
    if padding is None:
        tensor, padding = surrounded(emitter, x, tensor, window, lowest=True), Padding.VALID
    emitter.result(node, "MAX_POOL_2D", [tensor], NHWC, _options(window, padding))


def emit_average(emitter: Emitter, node: Node) -> None:
    """AVERAGE_POOL_2D, then QUANTIZE where the output has a scale of its own; MEAN where the window is the image."""
    x, settings = node.activation(0), node.settings
    wanted = node.output.quant
    if settings.window.kernel == x.shape[2:] and not settings.window.is_padded:
        emit_mean(emitter, node, (2, 3), keep=True)
        return
    if float(x.quant.scale) > FINEST * float(wanted.scale):
        raise UnsupportedError(
            f"{node}: its output has scale {float(wanted.scale):g}, its input {float(x.quant.scale):g}; "
            "the mean can be rescaled to no less than half of the input's scale"
        )
    tensor, window = emitter.laid_out(x, NHWC), settings.window
    padding = window.padding((x.shape[2], x.shape[3]))
    if window.is_padded and settings.counts_padding:
        tensor, padding = surrounded(emitter, x, tensor, window), Padding.VALID
    if padding is None:
        raise UnsupportedError(
            f"{node}: a mean over the image alone, with padding that TFLite's SAME does not describe"
        )
    shape = tuple(node.output.shape[axis] for axis in NHWC)
    mean = emitter.tensor(f"{node.output.name}/mean", shape, x.quant)
    emitter.operator("AVERAGE_POOL_2D", [tensor], mean, _options(window, padding))
    rescaled = emitter.rescaled(node.output.name, mean, wanted)
    emitter.alias(node, [Storage(rescaled, node.output.shape, NHWC)])


def _options(window: Window, padding: int) -> object:
    return options(
        "Pool2DOptions",
        filterHeight=window.kernel[0],
        filterWidth=window.kernel[1],
        strideH=window.strides[0],
        strideW=window.strides[1],
        padding=padding,
    )


register("MaxPool", read, emit_max, copies=True)
register("AveragePool", read, emit_average)
