"""Give back the dense model: blobs become weights again, custom operators the builtin ones they replaced."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError
from wpconvert.reference.quantise import conv_multipliers, fc_multipliers
from wpconvert.tflite import metadata
from wpconvert.tflite.compressed import Compressed, read_compressed
from wpconvert.tflite.metadata import Originals
from wpconvert.tflite.model import TfliteModel, quantization_of, shape_of
from wpconvert.tflite.operators import BUILTIN_NAMES, CHANNEL_AXIS, builtin_options
from wpconvert.tflite.rewrite import drop_unused_codes, operator_code
from wpconvert.tflite.schema import (
    BufferT,
    BuiltinOperator,
    BuiltinOptions,
    OperatorCodeT,
    OperatorT,
    QuantizationParametersT,
    TensorT,
    TensorType,
)

_OPERATOR_VERSION = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4}
"""Operator versions of int8 kernels in TFLite, for models without originals."""

# A float32 scale behind a Q31 multiplier is found within a few units in the last place of the quotient.
_SCALE_SEARCH = 4


def is_rewritten(model: TfliteModel) -> bool:
    """Whether any operator of the model is one of ours."""
    return any(
        model.operator_name(operator) in BUILTIN_NAMES
        for graph in model.root.subgraphs
        for operator in graph.operators or []
    )


def restore(model: TfliteModel) -> list[str]:
    """Undo `rewrite` in place. Returns what could not be given back, empty for a file with its originals.

    Weight data, shape and type are always exact, and the restored model computes the same bits. Raises ModelError for
    corrupt blobs, tables and options.
    """
    if not is_rewritten(model):
        return []
    originals = metadata.read_originals(model) or Originals([], {}, {})
    losses: list[str] = []
    reconstructed = 0
    _merge_codes(model, originals)
    for s, graph in enumerate(model.root.subgraphs):
        tables: list[int] = []
        # Every operator is decoded before a tensor changes: operators can share a blob.
        compressed = {
            index: read_compressed(model, s, index)
            for index, operator in enumerate(graph.operators or [])
            if model.operator_name(operator) in BUILTIN_NAMES
        }
        for index, parts in compressed.items():
            tables.append(int(graph.operators[index].inputs[2]))
            original = originals.operators.get((s, index))
            if original is not None and _fits(graph, index, original, originals.tensors, s):
                _put_back(model, s, index, parts, originals, original)
            else:
                losses += _reconstruct(model, s, index, parts)
                reconstructed += 1
        _drop_idle_tensors(graph, set(tables))
    metadata.remove(model)
    _drop_idle_buffers(model)
    if originals.codes:
        # The original list comes back as it was, idle codes included; ours stand behind it.
        used = {op.opcodeIndex for graph in model.root.subgraphs for op in graph.operators or []}
        del model.root.operatorCodes[max(len(originals.codes), *(index + 1 for index in used)) :]
    else:
        drop_unused_codes(model)
    if reconstructed:
        losses.insert(
            0,
            f"{reconstructed} operators: names, calibration ranges and original quantisation of weights and biases "
            "were stripped; scales were reconstructed from the requantisation tables",
        )
    return losses


def _merge_codes(model: TfliteModel, originals: Originals) -> None:
    """Put the original operator codes in front, so that kept operators refer to them, and re-index the others."""
    codes = model.root.operatorCodes
    model.root.operatorCodes = list(originals.codes)
    for graph in model.root.subgraphs:
        for operator in graph.operators or []:
            operator.opcodeIndex = operator_code(model, codes[operator.opcodeIndex])


def _fits(graph: Any, index: int, original: Any, tensors: dict[tuple[int, int], Any], subgraph: int) -> bool:
    """Whether the kept original belongs to the operator at this place: another tool may have moved operators."""
    operator = graph.operators[index]
    inputs = () if original.inputs is None else tuple(int(t) for t in original.inputs)
    return (
        len(inputs) in (2, 3)
        and original.outputs is not None
        and inputs[0] == operator.inputs[0]
        and inputs[1] == operator.inputs[1]
        and list(original.outputs) == list(operator.outputs)
        and max(inputs) < len(graph.tensors)
        and (subgraph, inputs[1]) in tensors
    )


def _put_back(
    model: TfliteModel, subgraph: int, index: int, parts: Compressed, originals: Originals, original: Any
) -> None:
    graph = model.root.subgraphs[subgraph]
    operator = graph.operators[index]
    weight, slot = int(operator.inputs[1]), int(operator.inputs[2])
    kept = originals.tensors[subgraph, weight]
    if shape_of(kept) != parts.weights.shape or kept.type != TensorType.INT8:
        raise ModelError(f"operator {index}: the original weights {list(shape_of(kept))} do not fit the blob")
    kept.buffer = graph.tensors[weight].buffer
    graph.tensors[weight] = kept
    model.root.buffers[kept.buffer] = BufferT(data=parts.weights.reshape(-1).view(np.uint8))
    bias = originals.tensors.get((subgraph, slot))
    if bias is not None:
        bias.buffer = graph.tensors[slot].buffer
        graph.tensors[slot] = bias
        model.root.buffers[bias.buffer] = BufferT(data=parts.bias().view(np.uint8))
    graph.operators[index] = original


def _reconstruct(model: TfliteModel, subgraph: int, index: int, parts: Compressed) -> list[str]:
    """Build the builtin operator from options and table alone."""
    graph = model.root.subgraphs[subgraph]
    operator = graph.operators[index]
    weight, slot = int(operator.inputs[1]), int(operator.inputs[2])
    scales, exact = _scales(parts, graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]])
    graph.tensors[weight] = _tensor(graph.tensors[weight], parts.weights, scales, CHANNEL_AXIS[parts.name])
    model.root.buffers[graph.tensors[weight].buffer] = BufferT(data=parts.weights.reshape(-1).view(np.uint8))
    inputs = [int(operator.inputs[0]), weight]
    if parts.table.has_bias:
        bias = parts.bias()
        x = quantization_of(graph.tensors[operator.inputs[0]])
        bias_scales = scales if x is None else (x.scales[0] * scales).astype(np.float32)
        graph.tensors[slot] = _tensor(graph.tensors[slot], bias, bias_scales, 0)
        model.root.buffers[graph.tensors[slot].buffer] = BufferT(data=bias.view(np.uint8))
        inputs.append(slot)
    elif parts.name == "FULLY_CONNECTED":
        inputs.append(-1)
    code = OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(BuiltinOperator, parts.name)
    code.version = _OPERATOR_VERSION[parts.name]
    replacement = OperatorT()
    replacement.opcodeIndex = operator_code(model, code)
    replacement.inputs = np.array(inputs, np.int32)
    replacement.outputs = operator.outputs
    kind, replacement.builtinOptions = builtin_options(parts.name, parts.options)
    replacement.builtinOptionsType = getattr(BuiltinOptions, kind)
    graph.operators[index] = replacement
    return [] if exact else [f"operator {index} {parts.name}: no float32 scale gives exactly the stored multipliers"]


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


def _scales(parts: Compressed, x: Any, y: Any) -> tuple[NDArray[np.float32], bool]:
    """Weight scales whose multipliers are those of the table, float32[multipliers], and whether all were found."""
    qx, qy = quantization_of(x), quantization_of(y)
    if qx is None or qy is None or not (qx.scales > 0).all() or not (qy.scales > 0).all():
        raise ModelError("input and output of a WP_* operator need a scale to restore it")
    multipliers = fc_multipliers if parts.name == "FULLY_CONNECTED" else conv_multipliers
    wanted, shift = parts.table.multiplier, parts.table.shift.astype(np.int32)
    ratio = np.ldexp(wanted.astype(np.float64), shift - 31)
    guess = (ratio * float(qy.scales[0]) / float(qx.scales[0])).astype(np.float32)
    guess = np.maximum(guess, np.finfo(np.float32).tiny)
    best, found = guess.copy(), np.zeros(len(guess), bool)
    for step in sorted(range(-_SCALE_SEARCH, _SCALE_SEARCH + 1), key=abs):
        candidate = (guess.view(np.int32) + step).view(np.float32)
        # One scale at a time: with several the arithmetic of a fully connected layer is another.
        multiplier, exponent = multipliers(qx.scales[0], candidate, qy.scales[0])
        hit = (multiplier == wanted) & (exponent == shift) & ~found
        best[hit] = candidate[hit]
        found |= hit
    return best, bool(found.all())


def _drop_idle_tensors(graph: Any, tables: set[int]) -> None:
    """Remove table tensors that were appended: they are the last ones, and nothing refers to them any more."""
    used = {int(t) for operator in graph.operators for t in operator.inputs}
    while graph.tensors and (last := len(graph.tensors) - 1) in tables and last not in used:
        graph.tensors.pop()


def _drop_idle_buffers(model: TfliteModel) -> None:
    """Remove buffers at the end that nothing refers to: those of appended tables and of our metadata."""
    used = {int(tensor.buffer) for graph in model.root.subgraphs for tensor in graph.tensors}
    used |= {int(entry.buffer) for entry in model.root.metadata or []}
    used |= {int(b) for b in (() if model.root.metadataBuffer is None else model.root.metadataBuffer)}
    while len(model.root.buffers) - 1 not in used and len(model.root.buffers) > 1:
        model.root.buffers.pop()
