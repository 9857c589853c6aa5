"""The layers with weights of an `.onnx` model, as an accelerator sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from onnx import ModelProto, NodeProto, shape_inference
from onnx.helper import get_attribute_value

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.types import Shape
from wpconvert.model.convolution import Convolution

_WEIGHT_INPUTS = {
    "Conv": 1,
    "ConvInteger": 1,
    "QLinearConv": 3,
    "Gemm": 1,
    "MatMul": 1,
    "MatMulInteger": 1,
    "QLinearMatMul": 3,
}
"""Where operators have their weights."""
_TRANSPOSED = "Gemm"


def convolutions_of(proto: ModelProto) -> list[Convolution]:
    """Of the main graph, in its order; an open batch size is 1. UnsupportedError where shapes are not known."""
    fixed = ModelProto()
    fixed.CopyFrom(proto)
    for value in fixed.graph.input:
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    try:
        graph = shape_inference.infer_shapes(fixed, data_prop=True).graph
    except (shape_inference.InferenceError, RuntimeError) as error:
        raise ModelError(f"shapes cannot be inferred: {error}") from error
    values = (*graph.input, *graph.output, *graph.value_info)
    shapes = {value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in values}
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    computed = {value.name for value in graph.input} - {tensor.name for tensor in graph.initializer}
    layers: list[Convolution] = []
    for node in graph.node:
        place = _WEIGHT_INPUTS.get(node.op_type)
        # What is computed from an input is no weight: a matrix product of two activations, for one.
        if place is None or node.domain not in {"", "ai.onnx"}:
            pass
        elif len(node.input) <= place or not node.output:
            raise ModelError(f"node {node.name or node.op_type}: it has no weights or no output")
        elif node.input[place] not in computed:
            layers.append(_layer(node, node.input[place], shapes))
        if any(name in computed for name in node.input):
            computed.update(node.output)
    return layers


def _layer(node: NodeProto, weights: str, shapes: Mapping[str, Shape]) -> Convolution:
    name = node.name or node.output[0]
    shape, output = (_known(value, shapes, name) for value in (weights, node.output[0]))
    attributes = {attribute.name: get_attribute_value(attribute) for attribute in node.attribute}
    if "Conv" not in node.op_type:
        transposed = node.op_type == _TRANSPOSED and attributes.get("transB", 0)
        # A vector is one column.
        channels, filters = shape[-2:] if len(shape) > 1 else (shape[0], 1)
        if transposed:
            channels, filters = filters, channels
        return Convolution(name, (1, math.prod(output) // filters), (1, 1), (1, 1), channels, filters)
    if len(shape) < 3 or len(output) != len(shape):
        raise ModelError(f"node {name}: weights of shape {list(shape)} do not make {list(output)}")
    filters, channels, *kernel = shape
    batch, _, *sizes = output
    if len(kernel) > 2:
        raise UnsupportedError(f"node {name}: a convolution of {len(kernel)} dimensions; supported: one or two")
    strides, groups = attributes.get("strides", [1] * len(kernel)), attributes.get("group", 1)
    whole = isinstance(groups, int) and isinstance(strides, list) and all(isinstance(one, int) for one in strides)
    if not whole or len(strides) != len(kernel):
        raise ModelError(f"node {name}: group or strides is not what {node.op_type} takes")
    (kernel_h, kernel_w), (height, width), (stride_h, stride_w) = (
        [1] * (2 - len(each)) + list(each) for each in (kernel, sizes, strides)
    )
    return Convolution(
        name, (batch * height, width), (kernel_h, kernel_w), (stride_h, stride_w), channels, filters, groups
    )


def _known(value: str, shapes: Mapping[str, Shape], name: str) -> Shape:
    shape = shapes.get(value, ())
    if not shape or min(shape) < 1:
        raise UnsupportedError(f"node {name}: the shape of {value} is not known; fix the model's input shapes")
    return shape
