"""Biases of Gemm in the one shape that ONNX Runtime's quantiser takes."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from wpconvert.errors import UnsupportedError
from wpconvert.lowering.attributes import Attributes

_BIAS = 2


def flatten_biases(graph: onnx.GraphProto) -> None:
    """Make the constant biases of Gemm nodes with constant weights [columns], whatever broadcasts to that.

    Raises UnsupportedError for a bias that differs from row to row.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    taken = {*constants, *(info.name for info in graph.input), *(name for node in graph.node for name in node.output)}
    made: dict[tuple[str, int], str] = {}
    for node in graph.node:
        if node.op_type != "Gemm" or len(node.input) <= _BIAS:
            continue
        weights, bias = constants.get(node.input[1]), constants.get(node.input[_BIAS])
        if weights is None or bias is None or len(weights.dims) != 2:
            continue
        columns = weights.dims[0 if Attributes(node, node.name).integer("transB", 0) else 1]
        shape = tuple(bias.dims)
        if shape == (columns,):
            continue
        if shape[-1:] not in ((), (1,), (columns,)) or any(size != 1 for size in shape[:-1]):
            raise UnsupportedError(
                f"node {node.name!r} (Gemm): a bias of shape {list(shape)}; supported: one value for each of "
                f"{columns} columns"
            )
        values = np.broadcast_to(numpy_helper.to_array(bias).reshape(shape[-1:]), (columns,))
        if (bias.name, columns) not in made:
            flat = f"{bias.name}/{columns}"
            while flat in taken:
                flat += "_"
            taken.add(flat)
            made[bias.name, columns] = flat
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), flat))
        node.input[_BIAS] = made[bias.name, columns]
