"""What kind of model it is: quantised with scales, of integers without them, or a float one."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

QDQ_WANTED = "export it in QDQ form, with QuantizeLinear and DequantizeLinear around each operator"
"""What to do with a model of integers without scales."""

_SCALED = frozenset({"QuantizeLinear", "DequantizeLinear"})
_INTEGER = frozenset({"ConvInteger", "MatMulInteger"})
_QONNX = frozenset({"Quant", "BipolarQuant", "Trunc", "IntQuant", "FloatQuant"})
_MULTIPLIES = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def is_quantised(graph: onnx.GraphProto) -> bool:
    """Whether the model says scales, of its weights at least."""
    names = {node.op_type for node in graph.node}
    return bool(names & _SCALED) or any(_carries_scales(name) for name in names)


def quantises_activations(graph: onnx.GraphProto) -> bool:
    """Whether the model computes with quantised activations, with scales that it says or finds at run time."""
    names = {node.op_type for node in graph.node}
    return "QuantizeLinear" in names or any(_carries_scales(name) for name in names)


def _carries_scales(name: str) -> bool:
    return name.startswith(("QLinear", "QGemm", "DynamicQuantize"))


def integers_of(graph: onnx.GraphProto) -> str | None:
    """How a model without scales holds integers, for a message; None for a float model."""
    for node in graph.node:
        if node.op_type in _QONNX and node.domain:
            return f"{node.op_type} nodes of {node.domain}"
        if node.op_type in _INTEGER:
            return f"{node.op_type} nodes"
    multiplied = {name for node in graph.node if node.op_type in _MULTIPLIES for name in node.input[1:2]}
    weights = [tensor for tensor in graph.initializer if tensor.name in multiplied]
    return "integer weights" if weights and all(map(_holds_integers, weights)) else None


def _holds_integers(tensor: onnx.TensorProto) -> bool:
    """Whether all values are integers of 8 bits, more than two different ones."""
    values = numpy_helper.to_array(tensor)
    if values.dtype.kind not in "fiu" or values.size == 0:
        return False
    whole = bool(np.isfinite(values).all() and (values == np.rint(values)).all() and np.abs(values).max() <= 255)
    return whole and len(np.unique(values)) > 2
