"""Build a builtin operator from its WP_* operator alone, for files without the originals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError
from wpconvert.formats.tflite.graph_fields import options_table
from wpconvert.formats.tflite.model import TfliteModel, quantization_of
from wpconvert.formats.tflite.rewrite import operator_code
from wpconvert.formats.tflite.schema import (
    BufferT,
    BuiltinOperator,
    BuiltinOptions,
    OperatorCodeT,
    OperatorT,
    QuantizationParametersT,
    TensorT,
    TensorType,
)
from wpconvert.graph.arithmetic import output_multipliers
from wpconvert.graph.custom.compressed import Compressed, Decoded
from wpconvert.graph.custom.operators import CHANNEL_AXIS, builtin_attributes
from wpconvert.graph.structure import Place

OPERATOR_VERSION = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "ADD": 2, "MUL": 2}
"""Operator versions of int8 kernels in TFLite, for models without originals."""

# A float32 scale after a Q31 multiplier is found within a few units in the last place of the quotient.
_SCALE_SEARCH = 4


def reconstruct(
    model: TfliteModel, subgraph: int, index: int, parts: Decoded, all_scales: dict[Place, NDArray[np.float32]]
) -> None:
    """Build the builtin operator from options and table alone."""
    graph = model.root.subgraphs[subgraph]
    operator = graph.operators[index]
    weight = int(operator.inputs[1])
    inputs = [int(operator.inputs[0]), weight]
    if isinstance(parts, Compressed):
        inputs += _reconstruct_tensors(graph, model, operator, parts, all_scales[subgraph, weight])
    else:
        _reconstruct_constant(model, graph.tensors[weight], parts.weights)
    code = OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(BuiltinOperator, parts.name)
    code.version = OPERATOR_VERSION[parts.name]
    replacement = OperatorT()
    replacement.opcodeIndex = operator_code(model, code)
    replacement.inputs = np.array(inputs, np.int32)
    replacement.outputs = operator.outputs
    attributes = builtin_attributes(parts.name, parts.options)
    replacement.builtinOptions = options_table(attributes)
    replacement.builtinOptionsType = getattr(BuiltinOptions, attributes.table)
    graph.operators[index] = replacement


def _reconstruct_constant(model: TfliteModel, tensor: Any, values: NDArray[np.int8]) -> None:
    """The constant of an operator without table, in place; its scale and zero point stand on the tensor."""
    tensor.shape = np.array(values.shape, np.int32)
    tensor.type = TensorType.INT8
    model.root.buffers[tensor.buffer] = BufferT(data=values.reshape(-1).view(np.uint8))


def _reconstruct_tensors(
    graph: Any, model: TfliteModel, operator: Any, parts: Compressed, scales: NDArray[np.float32]
) -> list[int]:
    """Weights and bias from blob and table, in place; the bias as it stands among the inputs, if it does."""
    weight, slot = int(operator.inputs[1]), int(operator.inputs[2])
    graph.tensors[weight] = _tensor(graph.tensors[weight], parts.weights, scales, CHANNEL_AXIS[parts.name])
    model.root.buffers[graph.tensors[weight].buffer] = BufferT(data=parts.weights.reshape(-1).view(np.uint8))
    if parts.table.has_bias:
        bias = parts.bias()
        x = quantization_of(graph.tensors[operator.inputs[0]])
        with np.errstate(all="ignore"):
            bias_scales = scales if x is None else (x.scales[0] * scales).astype(np.float32)
        graph.tensors[slot] = _tensor(graph.tensors[slot], bias, bias_scales, 0)
        model.root.buffers[graph.tensors[slot].buffer] = BufferT(data=bias.view(np.uint8))
        return [slot]
    return [-1] if parts.name == "FULLY_CONNECTED" else []


def _tensor(old: Any, values: NDArray[Any], scales: NDArray[np.float32], axis: int) -> Any:
    tensor = TensorT()
    tensor.name = old.name
    tensor.shape = np.array(values.shape, np.int32)
    tensor.type = TensorType.INT8 if values.dtype == np.int8 else TensorType.INT32
    tensor.buffer = old.buffer
    tensor.quantization = QuantizationParametersT()
    tensor.quantization.scale = scales
    tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
    tensor.quantization.quantizedDimension = axis
    return tensor


def all_scales(model: TfliteModel, compressed: dict[Place, Decoded]) -> dict[Place, NDArray[np.float32]]:
    """Scales of every weight tensor that these operators read, if they have tables."""
    users: dict[Place, list[tuple[Compressed, float, float]]] = {}
    for (s, index), parts in compressed.items():
        if not isinstance(parts, Compressed):
            continue
        graph = model.root.subgraphs[s]
        operator = graph.operators[index]
        ends = [quantization_of(graph.tensors[t]) for t in (operator.inputs[0], operator.outputs[0])]
        x, y = (0.0 if q is None else float(q.scales[0]) for q in ends)
        if not (x > 0 and y > 0):
            raise ModelError("restoring a WP_* operator needs the scales of its input and output")
        users.setdefault((s, int(operator.inputs[1])), []).append((parts, float(np.ldexp(x, parts.unit)), y))
    return {weight: _scales(group) for weight, group in users.items()}


def _scales(users: Sequence[tuple[Compressed, float, float]]) -> NDArray[np.float32]:
    """Weight scales whose multipliers are those of all tables, float32[multipliers]; near ones where there are none.

    users: the operators that read the weights, with the scales of their input, times its unit, and output.
    """
    if len({len(parts.table.multiplier) for parts, _, _ in users}) > 1:
        raise ModelError("operators with shared weights have tables with different numbers of multipliers")
    first, x, y = users[0]
    ratio = np.ldexp(first.table.multiplier.astype(np.float64), first.table.shift.astype(np.int32) - 31)
    limits = np.finfo(np.float32)
    # Away from the ends of float32, so that all neighbours are positive numbers.
    guess = np.clip(ratio * (y / x), limits.tiny, limits.max / 2).astype(np.float32)
    best, found = guess.copy(), np.zeros(len(guess), bool)
    for step in sorted(range(-_SCALE_SEARCH, _SCALE_SEARCH + 1), key=abs):
        candidate = (guess.view(np.int32) + step).view(np.float32)
        hit = ~found
        for parts, scale_in, scale_out in users:
            with np.errstate(all="ignore"):
                multiplier, exponent = output_multipliers(scale_in, candidate, scale_out)
            hit &= (multiplier == parts.table.multiplier) & (exponent == parts.table.shift)
        best[hit] = candidate[hit]
        found |= hit
    return best
