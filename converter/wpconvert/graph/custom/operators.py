"""The custom operators of rewritten models and their options (docs/FORMAT.md, "Operators")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from flatbuffers import flexbuffers
from numpy.typing import NDArray

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.attributes import (
    ACTIVATIONS,
    NONE,
    PADDINGS,
    RELU,
    RELU6,
    RELU_N1_TO_1,
    AddOptions,
    Attributes,
    Conv2DOptions,
    Convolution,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Fused,
    MulOptions,
)
from wpconvert.graph.custom.flexmap import FlexMap
from wpconvert.graph.custom.levels import ACT_BITS

CUSTOM_NAMES = {
    "CONV_2D": "WP_CONV_2D",
    "DEPTHWISE_CONV_2D": "WP_DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED": "WP_FULLY_CONNECTED",
    "ADD": "WP_ADD",
    "MUL": "WP_MUL",
}
BUILTIN_NAMES = {custom: builtin for builtin, custom in CUSTOM_NAMES.items()}
ELEMENTWISE = ("ADD", "MUL")
"""Operators whose constant meets each element once: no requantisation table, any matrix of the constant's elements."""
LOOKUP = "WP_LOOKUP"
"""The custom operator of no builtin one: a table of 256 outputs."""
TABLE_ORDER = np.arange(256).astype(np.uint8).view(np.int8)
"""The inputs that the entries of such a table are for, int8[256]."""
CUSTOM_VERSION = 1
ROW_DIMS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 1, "ADD": 1, "MUL": 1}
"""Leading dimensions of the weights that make matrix rows: output channels, or taps for depthwise convolutions."""
CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""Dimension of the weights that counts output channels."""

_CLAMPS = (NONE, RELU, RELU_N1_TO_1, RELU6)
"""Activations that are bounds of the output; kernels know no others."""
_MAX_DIMS = 4


@dataclass(frozen=True)
class OperatorOptions:
    """What custom_options of a WP_* operator says. stride and dilation are (height, width).

    codec and filter_shape repeat what the blob says, for viewers; they are empty where the options leave them out.
    filter_shape is the dense weight's: [out_channels, kernel_h, kernel_w, in_channels] for a convolution,
    [1, kernel_h, kernel_w, channels] for a depthwise one, [out, in] for a fully connected layer, the constant's for
    the others, which never leave it out. act_bits: bits of an activation, 1 to 8; fewer than 8
    only where the codec has side data.
    """

    codec: str = ""
    filter_shape: tuple[int, ...] = ()
    activation: str = "NONE"
    padding: str = "VALID"
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    depth_multiplier: int = 1
    keep_num_dims: bool = False
    act_bits: int = ACT_BITS

    def pack(self) -> NDArray[np.uint8]:
        """A FlexBuffer map; entries at their default are left out, except version."""
        fields: dict[str, object] = {"version": CUSTOM_VERSION}
        default = OperatorOptions()
        for name in ("codec", "activation", "padding", "depth_multiplier", "keep_num_dims", "act_bits"):
            if getattr(self, name) != getattr(default, name):
                fields[name] = getattr(self, name)
        for name, key in (("filter_shape", "filter"), ("stride", "stride"), ("dilation", "dilation")):
            if getattr(self, name) != getattr(default, name):
                fields[key] = list(getattr(self, name))
        return np.frombuffer(bytes(flexbuffers.Dumps(fields)), np.uint8)


def options_of(attributes: Attributes | None) -> OperatorOptions:
    """The options of a WP_* operator that replaces a builtin one with these attributes, without codec and filter shape.

    Raises UnsupportedError for values that the schema or the format does not know, ModelError for attributes of another
    operator.
    """
    if not isinstance(attributes, Fused):
        found = "none" if attributes is None else attributes.table
        raise ModelError(f"options are {found}, expected those of an operator that can be rewritten")
    activation = attributes.fused_activation_function
    if activation not in ACTIVATIONS:
        raise UnsupportedError(f"fused activation {activation} is not one of the schema's")
    if isinstance(attributes, FullyConnectedOptions):
        return OperatorOptions(activation=activation, keep_num_dims=attributes.keep_num_dims)
    if not isinstance(attributes, Convolution):
        return OperatorOptions(activation=activation)
    if attributes.padding not in PADDINGS:
        raise UnsupportedError(f"padding {attributes.padding} is not one of the schema's")
    stride, dilation = attributes.stride, attributes.dilation
    multiplier = attributes.depth_multiplier if isinstance(attributes, DepthwiseConv2DOptions) else 1
    if min(*stride, *dilation, multiplier) < 1:
        raise UnsupportedError(f"stride {stride}, dilation {dilation} or depth multiplier {multiplier} is not positive")
    return OperatorOptions(
        activation=activation,
        padding=attributes.padding,
        stride=stride,
        dilation=dilation,
        depth_multiplier=multiplier,
    )


def builtin_attributes(name: str, source: OperatorOptions) -> Attributes:
    """The attributes of builtin operator `name` that `options_of` came from."""
    if name == "ADD":
        return AddOptions(source.activation)
    if name == "MUL":
        return MulOptions(source.activation)
    if name == "FULLY_CONNECTED":
        return FullyConnectedOptions(source.activation, keep_num_dims=source.keep_num_dims)
    window = (source.activation, source.padding, *source.stride, *source.dilation)
    return Conv2DOptions(*window) if name == "CONV_2D" else DepthwiseConv2DOptions(*window, source.depth_multiplier)


def unpack_options(raw: bytes) -> OperatorOptions:
    """Read custom_options; ModelError for anything that is not the documented map."""
    fields = FlexMap(raw)
    if (version := fields.integer("version", 0)) != CUSTOM_VERSION:
        raise ModelError(f"custom_options: version {version}, this tool reads {CUSTOM_VERSION}; use a newer wpconvert")
    stride, dilation = (fields.integers(name, (1, 1), 2) for name in ("stride", "dilation"))
    multiplier = fields.integer("depth_multiplier", 1)
    if len(stride) != 2 or len(dilation) != 2 or min(*stride, *dilation, multiplier) < 1:
        raise ModelError(
            f"custom_options: stride {stride} and dilation {dilation} must be two positive numbers, "
            f"depth_multiplier {multiplier} a positive one"
        )
    result = OperatorOptions(
        codec=fields.string("codec", ""),
        filter_shape=fields.integers("filter", (), _MAX_DIMS),
        activation=fields.string("activation", "NONE"),
        padding=fields.string("padding", "VALID"),
        stride=(stride[0], stride[1]),
        dilation=(dilation[0], dilation[1]),
        depth_multiplier=multiplier,
        keep_num_dims=bool(fields.integer("keep_num_dims", 0)),
        act_bits=fields.integer("act_bits", ACT_BITS),
    )
    if not 1 <= result.act_bits <= ACT_BITS:
        raise ModelError(f"custom_options: activations of {result.act_bits} bits, expected 1 to {ACT_BITS}")
    if result.padding not in PADDINGS or result.activation not in _CLAMPS:
        raise ModelError(f"custom_options: padding {result.padding!r} or activation {result.activation!r} is not known")
    return result


def channel_sums(name: str, weights: NDArray[np.int8]) -> NDArray[np.int64]:
    """Σ w of every output channel of builtin operator `name`, int64[channels]."""
    axis = CHANNEL_AXIS[name]
    others = tuple(d for d in range(weights.ndim) if d != axis)
    return np.asarray(weights.sum(axis=others, dtype=np.int64))
