"""Convolutions and pools along one axis: those of images of height 1.

A signal [batch, channels, width] becomes an image [batch, channels, 1, width] and the result a signal again, which
moves no data.
"""

from __future__ import annotations

from onnx import helper

from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.network import Activation, Constant, Node, Operand

_HEIGHT, _WIDTH = 2, 3
_OPERATORS = frozenset({"AveragePool", "BatchNormalization", "Conv", "MaxPool"})
_PER_AXIS = {"kernel_shape": (1,), "strides": (1,), "dilations": (1,), "pads": (0,)}
"""Attributes with values per axis of the window, and what those of the height say."""


def missing_axes(op: str, inputs: list[Operand | None]) -> Attributes | None:
    """Attributes of Squeeze and Unsqueeze for the axes that an operator's inputs need to be images."""
    x = inputs[0] if inputs else None
    if op not in _OPERATORS or not isinstance(x, Activation):
        return None
    axes = {3: [_HEIGHT], 2: [_HEIGHT, _WIDTH] if op == "BatchNormalization" else []}.get(x.rank)
    return Attributes(helper.make_node("Squeeze", [], [], axes=axes), "") if axes else None


def is_widening(node: Node) -> bool:
    """The node makes a signal an image for such an operator."""
    shape = node.activation(0).shape
    return node.op == "Unsqueeze" and len(shape) == 3 and node.output.shape == (*shape[:2], 1, shape[2])


def lifted(attributes: Attributes) -> Attributes:
    """Attributes of the same window over an image."""
    return attributes.replaced(
        {
            name: [value for one in given for value in (*height, one)]
            for name, height in _PER_AXIS.items()
            if (given := attributes.integers(name)) is not None
        }
    )


def widened(operand: Operand | None) -> Operand | None:
    """Weights [out_channels, in_channels, width] with a height; biases as they are."""
    if not isinstance(operand, Constant) or operand.values.ndim != 3:
        return operand
    values = operand.values[:, :, None]
    axis = operand.axis if operand.axis < _HEIGHT else operand.axis + 1
    return Constant(operand.name, values, operand.scales, operand.zero_points, axis)
