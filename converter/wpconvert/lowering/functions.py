"""What ONNX Runtime's quantiser is told so that lowering needs few operators that round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto

from wpconvert.lowering.curves import CURVED
from wpconvert.lowering.operators import FIXED

_CLAMPS = frozenset({"Relu", "Clip"})


def fixed_scales(graph: GraphProto) -> dict[str, list[dict[str, Any]]]:
    """The quantisation that kernels give the outputs of Sigmoid, Tanh and Softmax, as `TensorQuantOverrides`."""
    own = {
        op: {"scale": np.array(quant.scale), "zero_point": np.array(quant.zero_point, np.int8)}
        for op, quant in FIXED.items()
    }
    return {node.output[0]: [own[node.op_type]] for node in graph.node if node.op_type in own}


def tabulated(graph: GraphProto) -> list[str]:
    """The names of nodes that together are a function of one tensor: one table, if nothing between them is rounded.

    Every node of the graph has a name.
    """
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer}
    makers: dict[str, NodeProto] = {}
    roots: dict[str, str] = {}
    found: dict[str, None] = {}
    for node in graph.node:
        root = _root(node, roots, sizes)
        if root is None or (node.op_type in _CLAMPS and root in node.input):
            # The operator before it clamps.
            continue
        roots[node.output[0]] = root
        makers[node.output[0]] = node
        chain = [maker.name for maker in _makers(node, makers)]
        found.update(dict.fromkeys([*chain, node.name] if chain else []))
    return list(found)


def _root(node: NodeProto, roots: dict[str, str], sizes: dict[str, int]) -> str | None:
    """The one tensor that an operator on each element depends on, across other such operators."""
    if node.op_type not in CURVED:
        return None
    computed = {roots.get(name, name) for name in node.input if name and name not in sizes}
    single = all(sizes[name] == 1 for name in node.input if name in sizes)
    return computed.pop() if single and len(computed) == 1 else None


def _makers(node: NodeProto, makers: dict[str, NodeProto]) -> Iterator[NodeProto]:
    return (makers[name] for name in node.input if name in makers)
