"""Models of one decoder node, and the engines that run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from wpconvert.formats.onnx.decode import BY_OP_TYPE, DOMAIN, MIN_IR_VERSION, VERSION, Encoded, make_node

Array = NDArray[Any]
OPSETS = (11, 12, 13, 14, 17, 18, 21, 23, 26)


def model_of(
    encoded: Encoded, dtype: np.dtype[Any], shape: tuple[int, ...], opset: int, dequantised: bool = False
) -> onnx.ModelProto:
    """A model whose output is what the node decodes, or that as float32; checked in full."""
    initializers = [numpy_helper.from_array(array, name) for name, array in encoded.inputs]
    node = make_node(encoded, [name for name, _ in encoded.inputs], "decoded")
    nodes, name = [node], "decoded"
    if dequantised:
        nodes.append(helper.make_node("DequantizeLinear", ["decoded", "scale"], ["dequantised"]))
        initializers.append(numpy_helper.from_array(np.ones((), np.float32), "scale"))
        name, dtype = "dequantised", np.dtype(np.float32)
    output = helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)
    graph = helper.make_graph(nodes, "graph", [], [output], initializers)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, VERSION)]
    functions = [BY_OP_TYPE[encoded.op_type].function(opset)]
    ir_version = max(MIN_IR_VERSION, 10 if opset >= 21 else 0)
    model = helper.make_model(graph, opset_imports=imports, functions=functions, ir_version=ir_version)
    onnx.checker.check_model(model, full_check=True)
    return model


def _runtime(level: ort.GraphOptimizationLevel) -> Callable[[onnx.ModelProto], Array]:
    def run(model: onnx.ModelProto) -> Array:
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {})[0])

    return run


def _reference(model: onnx.ModelProto) -> Array:
    results = ReferenceEvaluator(model).run(None, {})
    assert isinstance(results, list)
    return np.asarray(results[0])


ENGINES: dict[str, Callable[[onnx.ModelProto], Array]] = {
    "optimised": _runtime(ort.GraphOptimizationLevel.ORT_ENABLE_ALL),
    "plain": _runtime(ort.GraphOptimizationLevel.ORT_DISABLE_ALL),
    "reference": _reference,
}


def assert_same_bits(result: Array, expected: Array) -> None:
    """Equal type, shape and bits: −0.0 is not 0.0, and NaNs are told apart."""
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    np.testing.assert_array_equal(
        np.ascontiguousarray(result).reshape(-1).view(np.uint8),
        np.ascontiguousarray(expected).reshape(-1).view(np.uint8),
    )
