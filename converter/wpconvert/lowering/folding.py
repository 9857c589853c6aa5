"""Constants of the model, and nodes that compute constants: shapes, reshaped or transposed weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.network import Constant

FOLDABLE = frozenset(
    {"Add", "Cast", "Concat", "Constant", "Div", "Equal", "Flatten", "Gather", "Mul", "Neg", "Pow", "ReduceProd"}
    | {"Reshape", "Slice", "Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where"}
)
"""Operators that are computed when all their inputs are constants."""

_MULTIPLYING = frozenset({"Add", "Div", "Equal", "Gather", "Mul", "Pow", "Sub", "Where"})
"""Those whose result can have as many elements as the product of their inputs' numbers."""

_MAX_ELEMENTS = 1 << 28


def tensor_values(tensor: onnx.TensorProto) -> NDArray[Any]:
    """The values of an initializer; ModelError when its data do not fit type and shape."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ModelError(f"initializer {tensor.name!r}: its external data is not loaded")
    if any(dim < 0 for dim in tensor.dims) or math.prod(tensor.dims) > _MAX_ELEMENTS:
        raise ModelError(f"initializer {tensor.name!r}: a tensor of shape {list(tensor.dims)} does not fit in memory")
    try:
        return onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ModelError(f"initializer {tensor.name!r}: {error}") from error


def fold(node: onnx.NodeProto, inputs: list[Constant | None], opset: int, where: str) -> Constant:
    """The constant that a node of FOLDABLE computes from constants."""
    quantised = [operand for operand in inputs if operand is not None and operand.scales is not None]
    values = [None if operand is None else operand.values for operand in inputs]
    sizes = [value.size for value in values if value is not None]
    if node.op_type in _MULTIPLYING and math.prod(sizes) > _MAX_ELEMENTS:
        raise UnsupportedError(f"{where}: computes with constants of {max(sizes)} elements")
    result = evaluate(node, values, opset, where)
    name = inputs[0].name if inputs and inputs[0] is not None else node.output[0]
    if not quantised:
        return Constant(name, result)
    source = quantised[0]
    if node.op_type not in ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose") or source is not inputs[0]:
        raise UnsupportedError(f"{where}: computes with the dequantised constant {source.name!r}")
    return Constant(name, result, source.scales, source.zero_points, _moved_axis(node, source, result, where))


def evaluate(node: onnx.NodeProto, values: list[NDArray[Any] | None], opset: int, where: str) -> NDArray[Any]:
    """A node's first output, computed by onnx's reference implementation."""
    names = [name if value is not None else "" for name, value in zip(node.input, values, strict=True)]
    feeds = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    graph = onnx.helper.make_graph(
        [node],
        "constant",
        [onnx.helper.make_tensor_value_info(name, 0, None) for name in feeds],
        [onnx.helper.make_tensor_value_info(node.output[0], 0, None)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    try:
        outputs = ReferenceEvaluator(model).run(None, feeds)
        result = np.asarray(next(iter(outputs.values() if isinstance(outputs, dict) else outputs)))
    except Exception as error:
        # The evaluator raises whatever NumPy raises for the arguments of a malformed node.
        raise ModelError(f"{where}: cannot be evaluated: {error}") from error
    if result.size > _MAX_ELEMENTS:
        raise UnsupportedError(f"{where}: computes a constant of {result.size} elements")
    return result


def _moved_axis(node: onnx.NodeProto, source: Constant, result: NDArray[Any], where: str) -> int:
    """The axis of the scales after the node."""
    if source.scales is None or source.scales.size == 1:
        return 0
    if node.op_type == "Transpose":
        rank = source.values.ndim
        order = Attributes(node, where).integers("perm") or list(range(rank))[::-1]
        return order.index(source.axis)
    # Elsewhere the elements keep their order: the axis is the one with as many elements before and after it.
    edge = math.prod(source.shape[: source.axis])
    for axis, length in enumerate(result.shape):
        if length == source.shape[source.axis] and math.prod(result.shape[:axis]) == edge:
            return axis
    raise UnsupportedError(f"{where}: reshapes {source.name!r} across its quantised axis")
