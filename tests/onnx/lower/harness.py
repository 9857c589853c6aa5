"""Compares a lowered model with ONNX Runtime, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping as Named
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.model import TfliteModel, quantization_of
from wpconvert.lowering import Lowered, Mapping, lower
from wpconvert.reference.interpreter import Interpreter
from wpconvert.reference.registry import OpContext

Arrays = dict[str, NDArray[Any]]


def run_onnx(model: onnx.ModelProto, feeds: Named[str, NDArray[Any]], *names: str) -> Arrays:
    """ONNX Runtime's values of tensors (the outputs when none is named), every operator as the model has it."""
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    known = [output.name for output in model.graph.output]
    extended.graph.output.extend(onnx.ValueInfoProto(name=name) for name in set(names) - set(known))
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(extended.SerializeToString(), settings, ["CPUExecutionProvider"])
    wanted = list(names) or known
    return dict(zip(wanted, session.run(wanted, dict(feeds)), strict=True))


def to_file(values: NDArray[Any], mapping: Mapping) -> NDArray[np.int8]:
    """Quantised values of the ONNX model as int8 in the file's layout."""
    shifted = values.astype(np.int16) - (128 if values.dtype == np.uint8 else 0)
    return np.ascontiguousarray(shifted.astype(np.int8).transpose(mapping.perm))


class LayerByLayer(Interpreter):
    """Gives every operator the integers that ONNX Runtime has there, and notes how far its result is from them."""

    def __init__(self, lowered: Lowered, model: onnx.ModelProto, feeds: Named[str, NDArray[Any]]) -> None:
        super().__init__(read_graph(parse(lowered.data)))
        names = [mapping.name for mapping in lowered.integers.values()]
        integers = run_onnx(model, feeds, *names)
        tensors = parse(lowered.data).root.subgraphs[0].tensors
        self.expected = {
            tensor: to_file(integers[m.name], m).reshape(tensors[tensor].shape)
            for tensor, m in lowered.integers.items()
        }
        self.steps: dict[str, int] = {}

    def _execute_operator(self, context: OpContext, values: dict[int, NDArray[Any]]) -> None:
        super()._execute_operator(context, values)
        tensor = context.output().index
        if tensor in self.expected:
            difference = values[tensor].astype(np.int16) - self.expected[tensor]
            self.steps[f"{context.operator.index} {context.operator.kind}"] = int(np.abs(difference).max())
            values[tensor] = self.expected[tensor]


def file_inputs(lowered: Lowered, feeds: Named[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """The feeds of the ONNX model as inputs of the file."""
    model = parse(lowered.data)
    graph = model.root.subgraphs[0]
    values = []
    for index, mapping in zip(graph.inputs, lowered.inputs, strict=True):
        given = feeds[mapping.name]
        if mapping.dtype == "float32":
            params = quantization_of(graph.tensors[index])
            assert params is not None
            steps = np.rint(given / params.scales[0]) + params.zero_points[0]
            given = np.clip(steps, -128, 127).astype(np.int8)
        values.append(to_file(given, mapping))
    return values


def steps_apart(model: onnx.ModelProto, feeds: Named[str, NDArray[Any]]) -> dict[str, int]:
    """The largest distance of each operator's result from ONNX Runtime's, in steps of its output, by operator."""
    lowered = lower(model, "model")
    layers = LayerByLayer(lowered, model, feeds)
    layers.run(file_inputs(lowered, feeds))
    assert layers.steps, "no operator was compared"
    return layers.steps


def operators(lowered: Lowered) -> list[str]:
    """The names of the file's operators."""
    model: TfliteModel = parse(lowered.data)
    return [model.operator_name(operator) for operator in model.root.subgraphs[0].operators]


def real_outputs(lowered: Lowered, feeds: Named[str, NDArray[Any]]) -> list[NDArray[np.float64]]:
    """The file's outputs as real numbers in the ONNX model's layout."""
    model = parse(lowered.data)
    graph = model.root.subgraphs[0]
    results = Interpreter(read_graph(model)).run(file_inputs(lowered, feeds))
    outputs = []
    for index, mapping, value in zip(graph.outputs, lowered.outputs, results, strict=True):
        params = quantization_of(graph.tensors[index])
        assert params is not None
        real = (value.astype(np.float64) - params.zero_points[0]) * params.scales[0]
        outputs.append(real.transpose(np.argsort(mapping.perm)))
    return outputs
