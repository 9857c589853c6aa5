"""Conv: CONV_2D or DEPTHWISE_CONV_2D."""

from __future__ import annotations

from dataclasses import dataclass

from wpconvert.errors import ModelError
from wpconvert.graph.attributes import NONE, VALID, Conv2DOptions, DepthwiseConv2DOptions
from wpconvert.graph.structure import Tensor
from wpconvert.graph.types import Shape
from wpconvert.lowering import weights as kernels
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.layout import NHWC
from wpconvert.lowering.network import Constant, Node
from wpconvert.lowering.operators.pad import surrounded
from wpconvert.lowering.operators.registry import register
from wpconvert.lowering.operators.window import Window, read_window


@dataclass(frozen=True)
class Conv:
    """Settings of a Conv node."""

    window: Window
    groups: int


def read(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """Weights [out_channels, in_channels / groups, height, width] on an input [batch, in_channels, height, width]."""
    x, weights = node.activation(0), node.constant(1)
    attributes.expect_channels_first()
    groups = attributes.integer("group", 1)
    if weights.values.ndim != x.rank or x.rank != 4:
        # The message about images of 4 dimensions.
        read_window(node, attributes, x.shape if x.rank != 4 else weights.shape, None)
    outputs, depth = weights.shape[:2]
    if groups < 1 or x.shape[1] != depth * groups or outputs % groups or outputs == 0:
        raise ModelError(
            f"{node}: weights {list(weights.shape)} in {groups} groups do not match {x.shape[1]} input channels"
        )
    window = read_window(node, attributes, x.shape, (weights.shape[2], weights.shape[3]))
    node.settings = Conv(window, groups)
    return (x.shape[0], outputs, *window.output((x.shape[2], x.shape[3])))


def emit(emitter: Emitter, node: Node) -> None:
    """Depthwise where every input channel is a group of its own."""
    settings: Conv = node.settings
    x, weights = node.activation(0), node.constant(1)
    depthwise = settings.groups == x.shape[1] and settings.groups > 1
    axes, channel_axis = ((1, 2, 3, 0), 3) if depthwise else ((0, 2, 3, 1), 0)
    values = kernels.symmetric_int8(node, weights).transpose(axes)
    kernel = emitter.constant(weights.name, values, kernels.channel_scales(node, weights, 0), channel_axis)
    multiplier = weights.shape[0] // x.shape[1] if depthwise else None
    convolve(emitter, node, settings.window, (kernel, _bias(emitter, node, weights)), multiplier)


def convolve(
    emitter: Emitter, node: Node, window: Window, constants: tuple[Tensor, Tensor], multiplier: int | None = None
) -> None:
    """CONV_2D, or DEPTHWISE_CONV_2D with a depth multiplier after a PAD, which `merge_pads` makes SAME."""
    x = node.activation(0)
    source = emitter.laid_out(x, NHWC)
    if window.is_padded:
        source = surrounded(emitter, x, source, window)
    told, inputs = (NONE, VALID, *window.strides, *window.dilations), [source, *constants]
    if multiplier is None:
        emitter.result(node, "CONV_2D", inputs, NHWC, Conv2DOptions(*told))
    else:
        emitter.result(node, "DEPTHWISE_CONV_2D", inputs, NHWC, DepthwiseConv2DOptions(*told, multiplier))


def _bias(emitter: Emitter, node: Node, weights: Constant) -> Tensor:
    """LiteRT wants a bias even where there is none."""
    scales = kernels.bias_scales(node.activation(0).quant, kernels.channel_scales(node, weights, 0))
    if node.optional(2) is None:
        return emitter.constant(f"{weights.name}/bias", kernels.no_bias(node, scales, weights.shape[0]), scales)
    bias = node.constant(2)
    return emitter.constant(bias.name, kernels.int32_bias(node, bias, scales, weights.shape[0]), scales)


register("Conv", read, emit)
