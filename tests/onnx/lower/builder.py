"""Builds small quantised ONNX models in code, in QDQ form.

    b = Builder("uint8")
    x = b.input("x", (1, 3, 8, 8))
    y = b.op("Conv", x, b.weights(w, scales), pads=[1, 1, 1, 1])
    b.output(b.rounded(y, 0.05, 128))
    model = b.build()

Names stand for real numbers; `rounded` puts a QuantizeLinear and a DequantizeLinear after one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper

OPSET = 17


class Builder:
    """Collects nodes and initializers; `dtype` is that of activations."""

    def __init__(self, dtype: str = "int8", opset: int = OPSET) -> None:
        self.dtype = np.dtype(dtype)
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self._count = 0

    def name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"

    def constant(self, values: ArrayLike, stem: str = "constant") -> str:
        """An initializer with the array's type."""
        name = self.name(stem)
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def indices(self, values: Sequence[int]) -> str:
        return self.constant(np.array(values, np.int64), "indices")

    def op(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node with one output."""
        output = self.name(op.lower())
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=f"{op}_{self._count}", domain=domain))
        self.nodes[-1].attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        return output

    def parameters(self, scale: float, zero_point: int) -> tuple[str, str]:
        """Initializers of an activation's scale and zero point; the latter as if the type were int8."""
        shift = 128 if self.dtype == np.uint8 else 0
        return self.constant(np.float32(scale), "scale"), self.constant(
            np.array(zero_point + shift, self.dtype), "zero_point"
        )

    def quantised(self, x: str, scale: float, zero_point: int = 0) -> tuple[str, str, str]:
        """QuantizeLinear: (integers, scale, zero point)."""
        names = self.parameters(scale, zero_point)
        return self.op("QuantizeLinear", x, *names), *names

    def rounded(self, x: str, scale: float, zero_point: int = 0) -> str:
        """The numbers after rounding to a scale."""
        return self.op("DequantizeLinear", *self.quantised(x, scale, zero_point))

    def input(self, name: str, shape: Sequence[int | str], scale: float = 0.02, zero_point: int = 3) -> str:
        """A float input, rounded."""
        self.inputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
        return self.rounded(name, scale, zero_point)

    def weights(self, values: NDArray[Any], scales: ArrayLike = 0.01, axis: int = 0, zero_point: int = 0) -> str:
        """Dequantised int8 (or uint8) weights."""
        scale = np.asarray(scales, np.float32)
        points = np.full(scale.shape, zero_point, values.dtype)
        names = (self.constant(values, "weights"), self.constant(scale, "scales"), self.constant(points, "points"))
        return self.op("DequantizeLinear", *names, axis=axis)

    def bias(self, steps: NDArray[np.int32], scales: ArrayLike) -> str:
        """A dequantised int32 bias."""
        scale = np.asarray(scales, np.float32)
        points = np.zeros(scale.shape, np.int32)
        names = (self.constant(steps, "bias"), self.constant(scale, "scales"), self.constant(points, "points"))
        return self.op("DequantizeLinear", *names, axis=0)

    def output(self, x: str, dtype: int = onnx.TensorProto.FLOAT) -> None:
        self.outputs.append(helper.make_tensor_value_info(x, dtype, None))

    def build(self) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "test", self.inputs, self.outputs, self.initializers)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)
