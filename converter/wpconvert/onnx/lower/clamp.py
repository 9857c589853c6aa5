"""Clamps after an operator as the activations that TFLite can fuse into it."""

from __future__ import annotations

import numpy as np

from wpconvert.errors import UnsupportedError
from wpconvert.onnx.lower.graph import Node
from wpconvert.tflite.arithmetic import activation_range, quantise_scalar
from wpconvert.tflite.schema import ActivationFunctionType

RELU_OPERATORS: dict[int, str] = {ActivationFunctionType.RELU: "RELU", ActivationFunctionType.RELU6: "RELU6"}
"""The operators that do what the fused activations do."""

_INT8 = np.dtype(np.int8)


def clamp_of(node: Node) -> int:
    """The activation with the effect of the node's clamp on its int8 output.

    Bounds outside the output's range have none. UnsupportedError when no activation has that effect.
    """
    quant = node.output.quant
    low, high = (
        limit if np.isinf(bound) else min(max(quantise_scalar(bound, quant.scale, quant.zero_point), -128), 127)
        for bound, limit in zip(node.clamp, (-128, 127), strict=True)
    )
    for activation in (ActivationFunctionType.NONE, *RELU_OPERATORS):
        if activation_range(activation, quant.scale, quant.zero_point, _INT8) == (low, high):
            return int(activation)
    raise UnsupportedError(
        f"{node}: its output is clipped to [{node.clamp[0]:g}, {node.clamp[1]:g}], supported are Relu, Clip to [0, 6] "
        "and bounds that the output's quantisation implies"
    )
