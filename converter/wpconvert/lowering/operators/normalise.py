"""Factors and terms per channel, as BatchNormalization has them: a depthwise Conv of one tap."""

from __future__ import annotations

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.types import Shape
from wpconvert.lowering.affine import EPSILON, Array, affine_of
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.network import Activation, Constant, Node
from wpconvert.lowering.operators.conv import Conv, emit
from wpconvert.lowering.operators.registry import register
from wpconvert.lowering.operators.window import Window

_LARGEST = 127
_TERM_STEPS = 1 << 20
"""Most steps of the bias in a channel's term: more would let it overflow 32 bits."""


def read(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """On an input [batch, channels, height, width]; the node becomes a Conv."""
    x = node.activation(0)
    if x.rank != 4:
        raise UnsupportedError(
            f"{node}: the input has {x.rank} dimensions; supported: 2 (matrices), 3 (signals) and 4 (images)"
        )
    if attributes.integer("training_mode", 0):
        raise UnsupportedError(f"{node}: training_mode is not supported")
    parameters = [node.constant(position).real().reshape(-1) for position in range(1, 5)]
    if any(values.size != x.shape[1] for values in parameters):
        raise ModelError(f"{node}: {[values.size for values in parameters]} parameters for {x.shape[1]} channels")
    factors, terms = affine_of(parameters, attributes.real("epsilon", EPSILON))
    return per_channel(node, x, factors, terms)


def per_channel(node: Node, x: Activation, factors: Array, terms: Array) -> Shape:
    """The node becomes a Conv for factors · x + terms, float64[channels] each, on images; its output's shape."""
    if not (np.isfinite(factors).all() and np.isfinite(terms).all()):
        raise ModelError(f"{node}: its parameters give factors that are not finite")
    # A weight alone in its channel is held exactly, as ±127.
    least = np.abs(terms) / (_TERM_STEPS * float(x.quant.scale))
    scales = np.maximum(np.abs(factors) / _LARGEST, least).astype(np.float32)
    scales[scales == 0] = 1
    weights = np.rint(factors / scales).astype(np.int8).reshape(-1, 1, 1, 1)
    node.origin = node.origin or node.op
    node.op, node.settings = "Conv", Conv(Window((1, 1), (1, 1), (1, 1), (0, 0), (0, 0)), x.shape[1])
    node.inputs = [x, Constant(f"{node.name}/factors", weights, scales), Constant(f"{node.name}/terms", terms)]
    return x.shape


register("BatchNormalization", read, emit)
