"""Types of integers where nothing but the integers themselves tells them: zero points and values that are left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.onnx.lower.builder import Builder
from tests.onnx.lower.harness import real_outputs, run_onnx, steps_apart
from tests.onnx.lower.test_layers import feed
from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.lowering import lower

TYPES = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8}


def agrees_at_the_end(b: Builder, feeds: dict[str, Any], scale: float) -> None:
    model = b.build()
    [found], [expected] = real_outputs(lower(model, "model"), feeds), run_onnx(model, feeds).values()
    assert np.abs(found - expected).max() <= 1.01 * scale


@pytest.mark.parametrize("dtype", TYPES)
def test_integers_without_a_zero_point(dtype: str) -> None:
    b = Builder(dtype)
    b.inputs.append(helper.make_tensor_value_info("x", TYPES[dtype], (1, 256)))
    x = b.op("DequantizeLinear", "x", b.constant(np.float32(0.02)))
    b.output(b.rounded(b.op("LeakyRelu", x, alpha=0.5), 0.03, -20))
    low = np.iinfo(dtype).min
    agrees_at_the_end(b, {"x": np.arange(low, low + 256).astype(dtype)[None]}, 0.03)


@pytest.mark.parametrize("dtype", TYPES)
def test_rounding_to_a_type_without_a_zero_point(dtype: str) -> None:
    b = Builder(dtype, opset=21)
    b.inputs.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 64)))
    scale = b.constant(np.float32(0.02))
    x = b.op("DequantizeLinear", b.op("QuantizeLinear", "x", scale, output_dtype=TYPES[dtype]), scale)
    b.output(b.rounded(b.op("LeakyRelu", x, alpha=0.5), 0.03, -20))
    assert max(steps_apart(b.build(), feed(0, 1, 64)).values()) <= 1


def test_rounding_to_a_type_that_is_none() -> None:
    b = Builder(opset=21)
    b.inputs.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 64)))
    scale = b.constant(np.float32(0.02))
    b.output(b.op("DequantizeLinear", b.op("QuantizeLinear", "x", scale, output_dtype=99), scale))
    with pytest.raises(ModelError, match="'output_dtype' is 99, which is not a type"):
        lower(b.build(), "model")


def test_a_zero_point_of_another_type_than_the_integers() -> None:
    b = Builder("uint8")
    b.inputs.append(helper.make_tensor_value_info("x", TensorProto.INT8, (1, 64)))
    b.output(b.op("DequantizeLinear", "x", *b.parameters(0.02, 0)))
    with pytest.raises(ModelError, match="the zero point has type uint8, the integers have type int8"):
        lower(b.build(), "model")


@pytest.mark.parametrize("dtype", TYPES)
def test_padding_of_integers_without_a_value(dtype: str) -> None:
    b = Builder(dtype)
    b.inputs.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 4, 4)))
    integers, *parameters = b.quantised("x", 0.02, 3)
    padded = b.op("Pad", integers, b.indices([0, 0, 1, 1, 0, 0, 1, 1]))
    b.output(b.op("DequantizeLinear", padded, *parameters))
    agrees_at_the_end(b, feed(0, 1, 3, 4, 4), 0.0002)


@pytest.mark.parametrize("dtype", TYPES)
def test_outputs_that_declare_no_type_have_that_of_their_values(dtype: str) -> None:
    b = Builder(dtype)
    integers, *parameters = b.quantised(b.op("Relu", b.input("x", (1, 3))), 0.1)
    b.output(integers, TensorProto.UNDEFINED)
    b.output(b.op("DequantizeLinear", integers, *parameters), TensorProto.UNDEFINED)
    assert [output.dtype for output in lower(b.build(), "model").outputs] == [dtype, "float32"]


@pytest.mark.parametrize(
    ("dtype", "declared", "message"),
    [
        ("int8", TensorProto.FLOAT, "is declared as float32, but is int8"),
        ("uint8", TensorProto.INT8, "is declared as int8, but is uint8"),
    ],
)
def test_outputs_declared_as_another_type_are_refused(dtype: str, declared: int, message: str) -> None:
    b = Builder(dtype)
    integers, *_ = b.quantised(b.op("Relu", b.input("x", (1, 3))), 0.1)
    b.output(integers, declared)
    with pytest.raises(ModelError, match=f"output '{integers}' {message}"):
        lower(b.build(), "model")


@pytest.mark.parametrize("declared", [TensorProto.BOOL, TensorProto.INT32, TensorProto.FLOAT16])
def test_outputs_of_types_that_the_runtime_lacks_are_refused(declared: int) -> None:
    b = Builder()
    b.output(b.rounded(b.op("Relu", b.input("x", (1, 3))), 0.1), declared)
    with pytest.raises(UnsupportedError, match="expected a tensor of type float32, int8, uint8"):
        lower(b.build(), "model")
