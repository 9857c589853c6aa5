"""Batch normalisation that no convolution before it can take: factors and terms per channel, as operators of their own.

ONNX Runtime folds a BatchNormalization into the Conv that feeds it alone, but quantises none that is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, helper, numpy_helper

from wpconvert.formats.onnx_graphs import DEFAULT_DOMAINS, Uses, all_scopes, replace_all
from wpconvert.lowering.attributes import Attributes

Array = NDArray[np.float64]

EPSILON = 1e-5
"""Of a BatchNormalization that names none."""


@dataclass
class _Affine:
    """factors · x + terms, float64[channels] each; `output` names the result."""

    factors: Array
    terms: Array
    output: str


def affine_of(parameters: Sequence[Array], epsilon: float) -> tuple[Array, Array]:
    """Factors and terms of scale, shift, mean and variance, float64[channels] all."""
    scale, shift, mean, variance = parameters
    factors = scale / np.sqrt(variance + epsilon)
    return factors, shift - mean * factors


def replace_batch_norms(model: onnx.ModelProto) -> None:
    """In place: each BatchNormalization with constant statistics becomes a depthwise Conv, or Mul and Add on matrices.

    Products and sums with constants per channel that follow it become part of it. The ranks of tensors must be known
    from the model's value_info; a node whose input has none stays.
    """
    graph = model.graph
    scopes = all_scopes(model)
    uses = Uses.in_scopes(scopes)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    ranks = {info.name: len(info.type.tensor_type.shape.dim) for info in (*graph.input, *graph.value_info)}
    outputs = {output.name for output in graph.output}
    replaced: list[NodeProto] = []
    new: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        rank = ranks.get(node.input[0], 0) if node.input else 0
        affine = _batch_norm(node, constants) if node.op_type == "BatchNormalization" and rank >= 2 else None
        if affine is None:
            continue
        replaced.append(node)
        while affine.output not in outputs:
            readers = uses.readers(scopes[0], affine.output)
            if len(readers) != 1 or readers[0].scope is not scopes[0]:
                break
            if not _absorbed(affine, readers[0].node, constants, rank):
                break
            replaced.append(readers[0].node)
        new[node.output[0]] = _operators(graph, node, affine, rank)
    gone = {node.output[0] for node in replaced}
    unused = {
        name
        for node in replaced
        for name in node.input
        if name not in outputs and all(use.node.output[0] in gone for use in uses.readers(scopes[0], name))
    }
    nodes = [new.get(node.output[0], []) if node.output[0] in gone else [node] for node in graph.node]
    replace_all(graph.node, [node for several in nodes for node in several])
    # ONNX Runtime would name each initializer that nothing reads.
    replace_all(graph.initializer, [tensor for tensor in graph.initializer if tensor.name not in unused])


def _batch_norm(node: NodeProto, constants: dict[str, onnx.TensorProto]) -> _Affine | None:
    if len(node.input) != 5 or len(node.output) != 1 or any(name not in constants for name in node.input[1:]):
        return None
    attributes = Attributes(node, node.name)
    if attributes.integer("training_mode", 0):
        return None
    parameters = [numpy_helper.to_array(constants[name]).astype(np.float64) for name in node.input[1:]]
    return _Affine(*affine_of(parameters, attributes.real("epsilon", EPSILON)), node.output[0])


def _absorbed(affine: _Affine, node: NodeProto, constants: dict[str, onnx.TensorProto], rank: int) -> bool:
    """Whether the node is a product or sum with a constant per channel, which `affine` then includes."""
    if node.op_type not in ("Mul", "Add") or node.domain not in DEFAULT_DOMAINS:
        return False
    [other] = [name for name in node.input if name != affine.output] or [""]
    if other not in constants:
        return False
    channels = affine.factors.size
    shape = [1] * (rank - len(constants[other].dims)) + list(constants[other].dims)
    if len(shape) != rank or shape[1] not in (1, channels) or any(side != 1 for side in (shape[0], *shape[2:])):
        return False
    values = numpy_helper.to_array(constants[other]).astype(np.float64).reshape(-1)
    if node.op_type == "Mul":
        affine.factors, affine.terms = affine.factors * values, affine.terms * values
    else:
        affine.terms = affine.terms + values
    affine.output = node.output[0]
    return True


def _operators(graph: GraphProto, node: NodeProto, affine: _Affine, rank: int) -> list[NodeProto]:
    """What computes it of the node's input."""
    name, x = node.name or node.output[0], node.input[0]
    spread = (-1, *(1 for _ in range(rank - 2)))
    shapes = ((-1, 1, *spread[1:]), (-1,)) if rank > 2 else (spread, spread)
    names = (f"{name}/factors", f"{name}/terms")
    for held, values, shape in zip(names, (affine.factors, affine.terms), shapes, strict=True):
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32).reshape(shape), held))
    if rank > 2:
        return [helper.make_node("Conv", [x, *names], [affine.output], name, group=affine.factors.size)]
    product = f"{name}/product"
    return [
        helper.make_node("Mul", [x, names[0]], [product], f"{name}/Mul"),
        helper.make_node("Add", [product, names[1]], [affine.output], f"{name}/Add"),
    ]
