"""Gemm and MatMul with constant weights: FULLY_CONNECTED."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.onnx.lower import layout
from wpconvert.onnx.lower import weights as kernels
from wpconvert.onnx.lower.attributes import Attributes
from wpconvert.onnx.lower.emitter import Emitter
from wpconvert.onnx.lower.graph import Node, Shape
from wpconvert.onnx.lower.layout import Storage
from wpconvert.onnx.lower.operators.registry import register
from wpconvert.tflite.model import element_count
from wpconvert.tflite.schema import options


@dataclass
class Dense:
    """Settings: whether the weights are [units, depth] and not [depth, units]."""

    units_first: bool


def read_gemm(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """x [rows, depth] · weights + bias, without factors."""
    if attributes.integer("transA", 0) or attributes.real("alpha", 1.0) != 1.0:
        raise UnsupportedError(f"{node}: transA or alpha, supported is Gemm without them")
    if node.optional(2) is not None and attributes.real("beta", 1.0) != 1.0:
        raise UnsupportedError(f"{node}: beta, supported is 1")
    if node.activation(0).rank != 2:
        raise ModelError(f"{node}: an input of {node.activation(0).rank} dimensions, expected 2")
    return _read(node, bool(attributes.integer("transB", 0)))


def read_matmul(node: Node, _attributes: Attributes, _opset: int) -> Shape:
    """x [..., depth] · weights [depth, units]."""
    return _read(node, units_first=False)


def _read(node: Node, units_first: bool) -> Shape:
    x, weights = node.activation(0), node.constant(1)
    if weights.values.ndim != 2 or x.rank < 2:
        raise UnsupportedError(f"{node}: weights of {weights.values.ndim} dimensions, supported are matrices")
    units, depth = weights.shape if units_first else weights.shape[::-1]
    if x.shape[-1] != depth:
        raise ModelError(f"{node}: weights of depth {depth} for an input {list(x.shape)}")
    node.settings = Dense(units_first)
    return (*x.shape[:-1], units)


def emit(emitter: Emitter, node: Node) -> None:
    """The columns of the weights follow the input's order in memory, so that a Flatten moves no data."""
    x, weights = node.activation(0), node.constant(1)
    channel_axis = 0 if node.settings.units_first else 1
    values = kernels.symmetric_int8(node, weights)
    matrix = values if node.settings.units_first else values.T
    scales = kernels.channel_scales(node, weights, channel_axis)
    units, depth = matrix.shape
    rows = element_count(x.shape) // depth
    storage = emitter.stored[x][0]
    columns = layout.column_order(storage, rows, depth)
    if columns is None:
        tensor, columns = emitter.laid_out(x, layout.identity(x.rank)), np.arange(depth)
    else:
        tensor = storage.tensor
    source = emitter.reshaped(x, tensor, (rows, depth))
    inputs = [source, emitter.constant(weights.name, np.ascontiguousarray(matrix[:, columns]), scales)]
    steps = kernels.bias_scales(x.quant, scales)
    if node.optional(2) is not None:
        bias = node.constant(2)
        inputs.append(emitter.constant(bias.name, kernels.int32_bias(node, bias, steps, units), steps))
    else:
        # LiteRT wants three inputs; −1 is an absent bias.
        inputs.append(-1)
    base = (rows, units)
    where = Storage(-1, base, layout.identity(2))
    emitter.result_in(node, "FULLY_CONNECTED", inputs, where, options("FullyConnectedOptions"))


register("Gemm", read_gemm, emit)
register("MatMul", read_matmul, emit)
