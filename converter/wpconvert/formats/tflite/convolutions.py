"""The layers with weights of a graph, as an accelerator sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from wpconvert.errors import ModelError
from wpconvert.formats.tflite.weights import key_of
from wpconvert.graph.attributes import Attributes, Convolution
from wpconvert.graph.custom.compressed import read_compressed
from wpconvert.graph.custom.operators import BUILTIN_NAMES, builtin_attributes
from wpconvert.graph.custom.rewritable import WEIGHT_INPUT
from wpconvert.graph.structure import Graph, Operator
from wpconvert.graph.types import Shape
from wpconvert.model import convolution as model

_DEPTHWISE, _FULLY_CONNECTED = "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"
_KINDS = ("CONV_2D", _DEPTHWISE, _FULLY_CONNECTED)


def convolutions_of(graph: Graph) -> list[model.Convolution]:
    """Of every subgraph, in the order of execution. ModelError for a rewritten operator that is corrupt."""
    return [
        replace(layer, weight=key_of(number, operator.tensor(WEIGHT_INPUT).index))
        for number, subgraph in enumerate(graph.subgraphs)
        for operator in subgraph.operators
        for layer in _layers(operator)
    ]


def _layers(operator: Operator) -> Iterator[model.Convolution]:
    kind = BUILTIN_NAMES.get(operator.kind, operator.kind)
    if kind not in _KINDS:
        return
    weights = operator.tensor(WEIGHT_INPUT)
    if kind == operator.kind:
        yield _layer(kind, weights.name, weights.shape, operator.attributes, operator)
    else:
        found = read_compressed(operator)
        yield _layer(kind, weights.name, found.weights.shape, builtin_attributes(kind, found.options), operator)


def _layer(kind: str, name: str, shape: Shape, attributes: Attributes | None, operator: Operator) -> model.Convolution:
    if not operator.outputs:
        raise ModelError(f"{kind} {operator.index}: it has no output")
    rank = 2 if kind == _FULLY_CONNECTED else 4
    output, image = operator.outputs[0].shape, operator.tensor(0).shape
    if 0 in shape or len(shape) != rank or (rank == 4 and not len(output) == len(image) == rank):
        raise ModelError(f"{kind} {operator.index}: shapes {list(image)}, {list(shape)} and {list(output)}")
    if kind == _FULLY_CONNECTED:
        filters, channels = shape
        return model.Convolution(name, (1, operator.outputs[0].size // filters), (1, 1), (1, 1), channels, filters)
    stride = attributes.stride if isinstance(attributes, Convolution) else (1, 1)
    batch, height, width, filters = output
    kernel = (shape[1], shape[2])
    if kind == _DEPTHWISE:
        channels = image[3]
        return model.Convolution(name, (batch * height, width), kernel, stride, 1, filters, channels)
    groups = image[3] // shape[3]
    return model.Convolution(name, (batch * height, width), kernel, stride, shape[3], filters, groups)
