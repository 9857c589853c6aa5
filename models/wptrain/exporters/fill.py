"""Exact integers, scales and biases in an int8 `.tflite` file that was converted from the same network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from ..quantise.integers import Grid, IntegerLayer, bias_steps
from .litert import WEIGHT_OPERATORS, operator_name
from .tflite import serialise

# What hands its input's grid on.
_MOVES = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "RESHAPE")


def filled(converted: bytes, layers: Mapping[str, IntegerLayer]) -> bytes:
    """The converted model with the integers of `layers`, by name in the network; what they leave open stays.

    Where layers say what their inputs and outputs are, the tensors between them get the same grids.

    Raises ValueError when a layer is not in the file or has another shape there, and when layers that say what their
    tensors are leave a tensor undetermined.
    """
    model = schema.ModelT.InitFromPackedBuf(converted, 0)
    graph = model.subgraphs[0]
    found = _found(model, layers)
    grids: dict[int, Grid] = {}
    for name, operator in found.items():
        for index, grid in ((operator.inputs[0], layers[name].input), (operator.outputs[0], layers[name].output)):
            if grid is not None and grids.setdefault(int(index), grid) != grid:
                raise ValueError(f"{graph.tensors[index].name.decode()}: its readers ask for different scales")
    if grids:
        _spread(model, grids)
    for index, grid in grids.items():
        _quantise(graph.tensors[index], np.array([grid.scale], np.float32), [grid.zero_point])
    for name, operator in found.items():
        _fill_layer(model, operator, layers[name])
    return serialise(model)


def _found(model: Any, layers: Mapping[str, IntegerLayer]) -> dict[str, Any]:
    """The operator of each layer."""
    graph = model.subgraphs[0]
    names = {name.replace(".", "/"): name for name in layers}
    found = {}
    for operator in graph.operators:
        if operator_name(model, operator) in WEIGHT_OPERATORS:
            stored = graph.tensors[operator.inputs[1]].name.decode().removesuffix("/weight")
            if stored in names:
                found[names.pop(stored)] = operator
    if names:
        raise ValueError(f"{', '.join(sorted(names.values()))}: not found among the converted operators")
    return found


def _spread(model: Any, grids: dict[int, Grid]) -> None:
    """Give the grids to the tensors that have to have the same ones; all tensors of activations have one then."""
    graph = model.subgraphs[0]
    pairs = [
        (int(operator.inputs[0]), int(operator.outputs[0]))
        for operator in graph.operators
        if operator_name(model, operator) in _MOVES
    ]
    changed = True
    while changed:
        changed = False
        for first, second in (*pairs, *(pair[::-1] for pair in pairs)):
            if first in grids and second not in grids:
                grids[second] = grids[first]
                changed = True
    for first, second in pairs:
        if grids.get(first) != grids.get(second):
            raise ValueError(f"{graph.tensors[second].name.decode()}: has another scale than what it is taken from")
    for operator in graph.operators:
        for index in operator.outputs:
            if int(index) not in grids:
                name = graph.tensors[index].name.decode()
                raise ValueError(f"{name}: {operator_name(model, operator)} writes it, but no layer says its scale")


def _fill_layer(model: Any, operator: Any, layer: IntegerLayer) -> None:
    graph = model.subgraphs[0]
    source, weight, bias = (graph.tensors[index] for index in operator.inputs[:3])
    depthwise = operator_name(model, operator) == "DEPTHWISE_CONV_2D"
    values = _in_tflite_layout(layer.weights, depthwise)
    if tuple(weight.shape) != values.shape:
        raise ValueError(
            f"{weight.name.decode()}: converted weights have shape {tuple(weight.shape)}, expected {values.shape}"
        )
    steps, scales = bias_steps(layer.bias, float(source.quantization.scale[0]), layer.scales)
    _fill(model, weight, values, layer.scales.astype(np.float32), 3 if depthwise else 0)
    _fill(model, bias, steps.astype("<i4"), scales, 0)


def _in_tflite_layout(weights: NDArray[np.int8], depthwise: bool) -> NDArray[np.int8]:
    if weights.ndim == 2:
        return weights
    return np.ascontiguousarray(weights.transpose((1, 2, 3, 0) if depthwise else (0, 2, 3, 1)))


def _fill(model: Any, tensor: Any, values: NDArray[Any], scales: NDArray[np.float32], axis: int) -> None:
    # Equal tensors may share a buffer, so each gets one of its own.
    model.buffers.append(schema.BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
    tensor.buffer = len(model.buffers) - 1
    _quantise(tensor, scales, [0] * len(scales))
    tensor.quantization.quantizedDimension = axis


def _quantise(tensor: Any, scales: NDArray[np.float32], zero_points: list[int]) -> None:
    tensor.quantization.scale = scales
    tensor.quantization.zeroPoint = np.asarray(zero_points, np.int64)
