"""Gemm and MatMul with constant weights: FULLY_CONNECTED."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.attributes import FullyConnectedOptions
from wpconvert.graph.types import Shape, element_count
from wpconvert.lowering import layout
from wpconvert.lowering import weights as kernels
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.network import Constant, Node
from wpconvert.lowering.operators.registry import register


@dataclass
class Dense:
    """Settings: whether the weights are [units, depth] and not [depth, units]."""

    units_first: bool


def read_gemm(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """alpha · x [rows, depth] · weights + beta · bias: the factors go into weights and bias. transA has been done."""
    if node.activation(0).rank != 2:
        raise ModelError(f"{node}: the input has {node.activation(0).rank} dimensions, expected 2")
    alpha, beta = attributes.real("alpha", 1.0), attributes.real("beta", 1.0)
    if not (np.isfinite([alpha, beta]).all() and alpha != 0):
        raise UnsupportedError(
            f"{node}: alpha {alpha:g} and beta {beta:g}, expected finite values and a non-zero alpha"
        )
    weights = node.constant(1)
    if alpha != 1.0 and weights.scales is not None:
        node.inputs[1] = _scaled(weights, weights.scales, alpha)
    if node.optional(2) is not None:
        node.inputs[2] = _scaled_bias(node.constant(2), alpha, beta)
    return _read(node, bool(attributes.integer("transB", 0)))


def _scaled_bias(bias: Constant, alpha: float, beta: float) -> Constant:
    """A bias times beta; the integers of a QGemm count steps of alpha · the scales of both matrices."""
    if bias.scales is None and bias.values.dtype.kind != "f":
        return bias if alpha > 0 else Constant(bias.name, -bias.values.astype(np.int64))
    return bias if beta == 1.0 else Constant(bias.name, bias.real() * beta)


def _scaled(weights: Constant, scales: NDArray[np.float32], factor: float) -> Constant:
    """Quantised weights times a factor: other scales, and for a negative one other signs."""
    scales = (scales * np.float32(abs(factor))).astype(np.float32)
    if factor > 0:
        return Constant(weights.name, weights.values, scales, weights.zero_points, weights.axis)
    return Constant(weights.name, -weights.centred(), scales, None, weights.axis)


def read_matmul(node: Node, _attributes: Attributes, _opset: int) -> Shape:
    """x [..., depth] · weights [depth, units], or [depth], or with axes of length 1 in front."""
    weights = node.constant(1)
    extra = weights.values.ndim - 2
    if extra > 0 and set(weights.shape[:extra]) == {1} and extra < node.activation(0).rank - 1:
        node.inputs[1] = _reshaped(weights, weights.shape[extra:], weights.axis - extra)
    if extra == -1:
        node.inputs[1] = _reshaped(weights, (*weights.shape, 1), weights.axis)
        return _read(node, units_first=False)[:-1]
    return _read(node, units_first=False)


def _reshaped(weights: Constant, shape: Shape, axis: int) -> Constant:
    return Constant(weights.name, weights.values.reshape(shape), weights.scales, weights.zero_points, axis)


def _read(node: Node, units_first: bool) -> Shape:
    x, weights = node.activation(0), node.constant(1)
    if weights.values.ndim != 2:
        raise UnsupportedError(f"{node}: weights {list(weights.shape)}; supported: matrices")
    units, depth = weights.shape if units_first else weights.shape[::-1]
    if x.rank < 1 or x.shape[-1] != depth:
        raise ModelError(f"{node}: weights of depth {depth} do not match the input {list(x.shape)}")
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
    kernel = emitter.constant(weights.name, np.ascontiguousarray(matrix[:, columns]), scales)
    steps = kernels.bias_scales(x.quant, scales)
    # LiteRT wants three inputs, the last of which may be absent.
    held = None
    if node.optional(2) is not None:
        bias = node.constant(2)
        held = emitter.constant(bias.name, kernels.int32_bias(node, bias, steps, units), steps)
    inputs = [source, kernel, held]
    emitter.result(node, "FULLY_CONNECTED", inputs, layout.identity(2), FullyConnectedOptions(), base=(rows, units))


register("Gemm", read_gemm, emit)
register("MatMul", read_matmul, emit)
