"""Functions that a model brings with it, put where they are called."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
import onnx.inliner

from wpconvert.errors import ModelError, UnsupportedError, shortened

_MAX_NODES = 100_000
_Key = tuple[str, str]


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without functions of its own. Raises ModelError, UnsupportedError where it would become too large."""
    if not model.functions:
        return model
    bodies = {(function.domain, function.name): function.node for function in model.functions}
    if _nodes(model.graph.node, bodies, {}, 0) > _MAX_NODES:
        raise UnsupportedError(f"its functions expand to more than {_MAX_NODES} nodes")
    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:
        # onnx raises classes of its own for functions that do not fit their calls.
        raise ModelError(f"its functions are malformed: {shortened(error)}") from error


def _nodes(
    nodes: Iterable[onnx.NodeProto], bodies: dict[_Key, Iterable[onnx.NodeProto]], known: dict[_Key, int], depth: int
) -> int:
    """The number of nodes once functions are put in place; `depth` functions are open."""
    if depth > len(bodies):
        raise ModelError("its functions are recursive")
    total = 0
    for node in nodes:
        key = (node.domain, node.op_type)
        if key in bodies and key not in known:
            known[key] = _nodes(bodies[key], bodies, known, depth + 1)
        total += known.get(key, 1)
    return total
