"""Shapes of inputs and of what operators compute, checked."""

from __future__ import annotations

import numpy as np
import onnx

from wpconvert.errors import UnsupportedError
from wpconvert.graph.types import Shape, element_count
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.network import Activation, Constant

_MAX_RANK = 8


def input_shape(info: onnx.ValueInfoProto) -> Shape:
    """The shape of an input; an open batch size is 1."""
    shape = []
    for axis, dim in enumerate(info.type.tensor_type.shape.dim):
        if dim.HasField("dim_value"):
            shape.append(int(dim.dim_value))
        elif axis == 0:
            shape.append(1)
        else:
            raise UnsupportedError(
                f"input {info.name!r}: dimension {axis} ({dim.dim_param or '?'}) is dynamic; make it fixed, "
                "for example with onnxruntime.tools.make_dynamic_shape_fixed"
            )
    check_shape(tuple(shape), f"input {info.name!r}")
    return tuple(shape)


def check_shape(shape: Shape, where: str) -> None:
    """UnsupportedError for shapes that the runtime does not hold."""
    if len(shape) > _MAX_RANK or any(dim < 1 for dim in shape) or element_count(shape) >= 1 << 31:
        raise UnsupportedError(f"{where}: shape {list(shape)}; supported: at most {_MAX_RANK} positive dimensions")


def shape_constant(activation: Activation, attributes: Attributes, name: str) -> Constant:
    """Shape, from opset 15 on of a slice of the axes."""
    rank = activation.rank
    start, end = attributes.integer("start", 0), attributes.integer("end", rank)
    return Constant(name, np.array(activation.shape[slice(start, end)], np.int64))
