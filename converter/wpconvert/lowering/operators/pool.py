"""MaxPool and AveragePool."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from wpconvert.errors import UnsupportedError
from wpconvert.graph.attributes import NONE, SAME, VALID, PaddingName, Pool2DOptions
from wpconvert.graph.types import Shape
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.layout import NHWC, Storage
from wpconvert.lowering.network import Node
from wpconvert.lowering.operators.borders import emit_in_parts
from wpconvert.lowering.operators.conv import convolve
from wpconvert.lowering.operators.pad import surrounded
from wpconvert.lowering.operators.reduce import reduce
from wpconvert.lowering.operators.registry import register
from wpconvert.lowering.operators.unary import rescalable
from wpconvert.lowering.operators.window import Embedding, Window, read_window
from wpconvert.lowering.weights import mean_kernel


@dataclass
class Pool:
    """Settings; counts_padding: the mean is over the whole window, with zeros outside the image.

    What ceil_mode adds to the padding is not counted either way.
    """

    window: Window
    counts_padding: bool

    @property
    def counts_only_extra(self) -> bool:
        """Nothing is counted, as there is no other padding."""
        return self.window.is_padded and (self.window.before, self.window.after) == ((0, 0), self.window.extra)


def count_extra(node: Node) -> None:
    """Where padding counts, what ceil_mode adds does, too: so ONNX Runtime's QLinearAveragePool has it."""
    if isinstance(node.settings, Pool) and node.settings.counts_padding:
        node.settings.window = replace(node.settings.window, extra=(0, 0))


def read(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """A window without dilation on an input [batch, channels, height, width]."""
    x = node.activation(0)
    attributes.expect_channels_first()
    window = read_window(node, attributes, x.shape, None)
    if window.dilations != (1, 1):
        raise UnsupportedError(f"{node}: dilations {list(window.dilations)} of a pool are not supported")
    counts = bool(attributes.integer("count_include_pad", 0))
    node.settings = Pool(window, counts)
    return (*x.shape[:2], *window.output((x.shape[2], x.shape[3])))


def emit_max(emitter: Emitter, node: Node) -> None:
    """MAX_POOL_2D, which keeps the quantisation; padding is the lowest value."""
    x, window = node.activation(0), node.settings.window
    tensor = emitter.laid_out(x, NHWC)
    if window.is_padded:
        tensor = surrounded(emitter, x, tensor, window, lowest=True)
    emitter.result(node, "MAX_POOL_2D", [tensor], NHWC, _options(window, VALID))


def emit_average(emitter: Emitter, node: Node) -> None:
    """AVERAGE_POOL_2D keeps the quantisation; where the output has its own, MEAN or a convolution rounds only once."""
    x, settings = node.activation(0), node.settings
    window = settings.window
    if window.kernel == x.shape[2:] and not window.is_padded:
        reduce(emitter, node, "MEAN", (2, 3), keep=True)
    elif settings.counts_only_extra or (window.is_padded and not settings.counts_padding):
        same = window.same_on((x.shape[2], x.shape[3]))
        if same is not None and rescalable(x.quant, node.output.quant):
            _pool_inside(emitter, node, same)
        else:
            emit_in_parts(emitter, node)
    elif window.extra != (0, 0):
        emit_in_parts(emitter, node, counted=window)
    elif x.quant == node.output.quant:
        _pool(emitter, node)
    else:
        _convolve(emitter, node)


def _pool(emitter: Emitter, node: Node) -> None:
    """AVERAGE_POOL_2D, which counts padding that a PAD has put there."""
    x, window = node.activation(0), node.settings.window
    tensor = emitter.laid_out(x, NHWC)
    if window.is_padded:
        tensor = surrounded(emitter, x, tensor, window)
    emitter.result(node, "AVERAGE_POOL_2D", [tensor], NHWC, _options(window, VALID))


def _pool_inside(emitter: Emitter, node: Node, found: Embedding) -> None:
    """AVERAGE_POOL_2D does not count SAME's padding: padding that is not SAME's becomes that of a larger image."""
    x, y, window = node.activation(0), node.output, node.settings.window
    size, wanted = (x.shape[2], x.shape[3]), (y.shape[2], y.shape[3])
    tensor = emitter.laid_out(x, NHWC)
    if found.size != size:
        more = (found.size[0] - size[0], found.size[1] - size[1])
        tensor = surrounded(emitter, x, tensor, replace(window, before=(0, 0), after=more))
    batch, channels = y.shape[:2]
    pooled = emitter.tensor(f"{y.name}/pooled", (batch, *found.windows, channels), x.quant)
    same = _options(replace(window, strides=found.strides), SAME)
    emitter.operator("AVERAGE_POOL_2D", [tensor], pooled, same)
    if found.windows != wanted:
        pooled = emitter.sliced(y.name, pooled, (0, *found.first, 0), (1, *found.steps, 1), (batch, *wanted, channels))
    emitter.alias(node, [Storage(emitter.rescaled(y.name, pooled, y.quant), y.shape, NHWC)])


def _convolve(emitter: Emitter, node: Node) -> None:
    """A depthwise convolution with equal weights."""
    window = node.settings.window
    convolve(emitter, node, window, mean_kernel(emitter, node, window.kernel, math.prod(window.kernel)), multiplier=1)


def _options(window: Window, padding: PaddingName) -> Pool2DOptions:
    return Pool2DOptions(NONE, padding, *window.strides, *window.kernel)


register("MaxPool", read, emit_max, copies=True)
register("AveragePool", read, emit_average)
