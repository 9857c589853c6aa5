"""Putting other int8 values with other scales in the place of a weight of a dense model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.formats.tflite.graph_reader import read_operator, read_tensor
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.schema import BufferT, QuantizationParametersT, TensorT
from wpconvert.formats.tflite.weights import Site
from wpconvert.graph.arithmetic import output_multipliers
from wpconvert.graph.custom.obstacles import Obstacle, check_scale
from wpconvert.graph.custom.operators import CHANNEL_AXIS
from wpconvert.graph.custom.rewritable import BIAS_INPUT
from wpconvert.transforms.base import Change


def scales_of(model: TfliteModel, site: Site) -> NDArray[np.float32]:
    """The scales of a weight that can be rewritten, float32[channels] or [1]."""
    return check_scale(read_tensor(model, site.subgraph, site.tensor), "weights", per_tensor=False).scales


def rescaled_biases(model: TfliteModel, site: Site, scales: NDArray[np.float32]) -> list[NDArray[np.int32] | None]:
    """The biases of the weight's operators in units of the new scales, int32[channels]; None where there is none.

    Obstacle where one leaves int32, ModelError where the new scales give no multiplier.
    """
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise Obstacle("one of its scales is too small or too large")
    ratio = scales_of(model, site).astype(np.float64) / scales
    result: list[NDArray[np.int32] | None] = []
    for use in site.uses:
        operator = read_operator(model, site.subgraph, use.operator)
        x = check_scale(operator.tensor(0), "input", per_tensor=True)
        y = check_scale(operator.outputs[0], "output", per_tensor=True)
        output_multipliers(x.scales[0], scales, y.scales[0])
        bias_tensor = operator.optional(BIAS_INPUT)
        bias = None if bias_tensor is None else bias_tensor.constant()
        rescaled = None if bias is None else np.rint(bias * ratio)
        if rescaled is not None and np.abs(rescaled).max(initial=0) > np.iinfo(np.int32).max:
            raise Obstacle("its bias at the new scales does not fit int32")
        result.append(None if rescaled is None else rescaled.astype(np.int32))
    return result


def put(model: TfliteModel, site: Site, change: Change, biases: list[NDArray[np.int32] | None]) -> None:
    """Put the values and what `rescaled_biases` made of the biases in their place.

    Tensors keep their indices; a bias that other operators read too gets a copy after all tensors. Whoever shares the
    weight's bytes must get the same values.
    """
    graph = model.root.subgraphs[site.subgraph]
    tensor = graph.tensors[site.tensor]
    model.root.buffers[tensor.buffer] = BufferT(data=np.ascontiguousarray(change.values).reshape(-1).view(np.uint8))
    tensor.quantization = _quantization(change.scales, CHANNEL_AXIS[site.uses[0].name])
    for use, bias in zip(site.uses, biases, strict=True):
        if bias is None:
            continue
        operator = graph.operators[use.operator]
        x = check_scale(read_tensor(model, site.subgraph, int(operator.inputs[0])), "input", per_tensor=True)
        index = int(operator.inputs[BIAS_INPUT])
        if sum(int(t) == index for other in graph.operators for t in other.inputs) > 1:
            operator.inputs = np.array(operator.inputs, np.int32)
            operator.inputs[BIAS_INPUT] = len(graph.tensors)
            graph.tensors.append(_copy(graph.tensors[index]))
            index = len(graph.tensors) - 1
        graph.tensors[index].buffer = len(model.root.buffers)
        graph.tensors[index].quantization = _quantization((x.scales[0] * change.scales).astype(np.float32), 0)
        model.root.buffers.append(BufferT(data=bias.view(np.uint8)))


def _copy(tensor: Any) -> Any:
    """A constant tensor of the same name, shape and type."""
    copy = TensorT()
    copy.name, copy.shape, copy.type = tensor.name, tensor.shape, tensor.type
    return copy


def _quantization(scales: NDArray[np.float32], axis: int) -> Any:
    quantization = QuantizationParametersT()
    quantization.scale = scales
    quantization.zeroPoint = np.zeros(len(scales), np.int64)
    quantization.quantizedDimension = axis
    return quantization
