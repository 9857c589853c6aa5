"""Clamps after an operator: the activations that TFLite can fuse into it, or the bounds of a table."""

from __future__ import annotations

import numpy as np

from wpconvert.graph.arithmetic import activation_range, quantise_scalar
from wpconvert.graph.attributes import NONE, RELU, RELU6, RELU_N1_TO_1, ActivationName
from wpconvert.lowering.network import Node, Quant

RELU_OPERATORS = (RELU, RELU6)
"""The operators that do what the fused activations of their names do."""

_FUSED = (NONE, *RELU_OPERATORS, RELU_N1_TO_1)
_INT8 = np.dtype(np.int8)


def clamp_bounds(node: Node, quant: Quant) -> tuple[int, int]:
    """The node's clamp as bounds of an int8 output of that quantisation; those outside its range have no effect."""
    low, high = (
        limit if np.isinf(bound) else min(max(quantise_scalar(bound, quant.scale, quant.zero_point), -128), 127)
        for bound, limit in zip(node.clamp, (-128, 127), strict=True)
    )
    return low, high


def fused_clamp(bounds: tuple[int, int], quant: Quant) -> ActivationName | None:
    """The activation that imposes these bounds on values of that quantisation, None where there is none."""
    for activation in _FUSED:
        if activation_range(activation, quant.scale, quant.zero_point, _INT8) == bounds:
            return activation
    return None
