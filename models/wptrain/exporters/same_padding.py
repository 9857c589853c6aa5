"""Clean-up of a converted graph: padding in front of a strided convolution becomes the convolution's own.

PyTorch pads with an operator of its own, in its own layout, and the converter keeps it: TRANSPOSE, PAD, QUANTIZE,
TRANSPOSE, CONV_2D with padding VALID. With padding SAME the convolution alone computes the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from .litert import operator_name

_MOVES = ("TRANSPOSE", "PAD", "QUANTIZE")
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def with_same_padding(model: Any) -> None:
    """Let every convolution of the object tree read the tensor in front of such operators, which then go; in place.

    Raises ValueError for padding other than one row below and one column right.
    """
    graph = model.subgraphs[0]
    producers = {int(index): operator for operator in graph.operators for index in operator.outputs}
    for operator in graph.operators:
        if operator_name(model, operator) in _CONVOLUTIONS:
            _bypass(model, operator, producers)
    used = {int(index) for index in graph.outputs}
    kept = []
    for operator in reversed(graph.operators):
        if used & {int(index) for index in operator.outputs}:
            used.update(int(index) for index in operator.inputs)
            kept.append(operator)
    graph.operators = kept[::-1]
    _drop_unused_tensors(model, used | {int(index) for index in graph.inputs})


def _bypass(model: Any, operator: Any, producers: dict[int, Any]) -> None:
    graph = model.subgraphs[0]
    source = int(operator.inputs[0])
    order, padding = np.arange(4), np.zeros((4, 2), np.int64)
    while source in producers and (name := operator_name(model, producers[source])) in _MOVES:
        move = producers[source]
        # Walking back: order[i] is the axis of this tensor that is axis i of the convolution's input.
        if name == "TRANSPOSE":
            order = _constant(model, move.inputs[1])[order]
        elif name == "PAD":
            padding += _constant(model, move.inputs[1]).reshape(4, 2)[order]
        source = int(move.inputs[0])
    if source == int(operator.inputs[0]):
        return
    if not np.array_equal(order, np.arange(4)):
        raise ValueError(f"{graph.tensors[source].name.decode()}: read in another layout, expected channels last")
    if padding.any():
        if padding.tolist() != [[0, 0], [0, 1], [0, 1], [0, 0]]:
            raise ValueError(f"{graph.tensors[source].name.decode()}: padded by {padding.tolist()}, no SAME padding")
        operator.builtinOptions.padding = schema.Padding.SAME
    old, new = graph.tensors[operator.inputs[0]], graph.tensors[source]
    _rescale_bias(model, operator, float(old.quantization.scale[0]) / float(new.quantization.scale[0]))
    operator.inputs = [source, *operator.inputs[1:]]


def _rescale_bias(model: Any, operator: Any, ratio: float) -> None:
    bias = model.subgraphs[0].tensors[operator.inputs[2]]
    values = np.rint(_constant(model, operator.inputs[2]) * ratio).astype("<i4")
    model.buffers[bias.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
    bias.quantization.scale = (np.asarray(bias.quantization.scale) / ratio).astype(np.float32)


def _constant(model: Any, index: int) -> NDArray[np.int64]:
    tensor = model.subgraphs[0].tensors[index]
    return np.asarray(model.buffers[tensor.buffer].data, np.uint8).view("<i4").astype(np.int64)


def _drop_unused_tensors(model: Any, used: set[int]) -> None:
    graph = model.subgraphs[0]
    place = {old: new for new, old in enumerate(sorted(used))}
    for old, tensor in enumerate(graph.tensors):
        if old not in used and tensor.buffer:
            model.buffers[tensor.buffer].data = None
    graph.tensors = [graph.tensors[old] for old in place]
    for holder in (graph, *graph.operators):
        holder.inputs = [place[int(index)] for index in holder.inputs]
        holder.outputs = [place[int(index)] for index in holder.outputs]
    for signature in model.signatureDefs or []:
        for end in (*signature.inputs, *signature.outputs):
            end.tensorIndex = place[int(end.tensorIndex)]
