"""Models that cannot be lowered end in one line that says where and why."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.onnx.lower.builder import Builder
from wpconvert.errors import ModelError, UnsupportedError, WpconvertError
from wpconvert.lowering import lower

WEIGHTS = np.ones((4, 3, 3, 3), np.int8)


def fails(b: Builder, message: str, error: type[WpconvertError] = UnsupportedError) -> None:
    with pytest.raises(error, match=message) as caught:
        lower(b.build(), "net.onnx")
    assert str(caught.value).startswith("net.onnx: ")
    assert "\n" not in str(caught.value)


def test_a_float_model_is_told_how_to_be_quantised() -> None:
    b = Builder()
    b.inputs.append(onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (1, 3)))
    b.output(b.op("Relu", "x"))
    fails(
        b,
        "the model is not quantised; quantise it with onnxruntime.quantization.quantize_static or with --calibrate ",
    )


def test_an_unsupported_operator_is_named_with_its_node_and_the_supported_ones() -> None:
    b = Builder()
    b.output(b.rounded(b.op("CumSum", b.input("x", (1, 3)), b.constant(np.int64(1))), 0.1))
    node = next(node.name for node in b.nodes if node.op_type == "CumSum")
    fails(b, rf"node '{node}' \(CumSum\): operator CumSum is not supported; supported: Abs, .*Conv, .*Unsqueeze")


def test_operators_of_other_domains_are_named() -> None:
    b = Builder()
    b.output(b.rounded(b.op("Magic", b.input("x", (1, 3)), domain="example.org"), 0.1))
    fails(b, r"operator example.org.Magic is not supported")


def test_dynamic_quantisation_is_named() -> None:
    b = Builder()
    x = b.input("x", (1, 3))
    b.output(b.op("DynamicQuantizeLinear", x))
    fails(b, "quantised at run time; quantise statically")


def test_an_operator_left_in_float32_is_named() -> None:
    b = Builder()
    x = b.input("x", (1, 3, 8, 8))
    y = b.op("Conv", x, b.weights(WEIGHTS))
    b.output(b.rounded(b.op("Sigmoid", y), 1 / 256, -128))
    conv = next(node for node in b.nodes if node.op_type == "Conv")
    fails(b, rf"output '{conv.output[0]}' of node '{conv.name}' \(Conv\) is computed in float32")


def test_numbers_that_are_read_both_rounded_and_not_are_named() -> None:
    b = Builder()
    y = b.op("Conv", b.input("x", (1, 3, 8, 8)), b.weights(WEIGHTS))
    b.output(b.rounded(b.op("Add", b.rounded(y, 0.1), y), 0.1))
    fails(b, rf"reads '{y}' in float32, and so do other nodes")


def test_float_weights_are_named() -> None:
    b = Builder()
    weights = b.constant(WEIGHTS.astype(np.float32), "kernel")
    b.output(b.rounded(b.op("Conv", b.input("x", (1, 3, 8, 8)), weights), 0.1))
    fails(b, rf"its weights '{weights}' are float32; quantise them too")


def test_asymmetric_weights_are_named() -> None:
    b = Builder()
    weights = np.array([[0, 255, 7]], np.uint8).T
    b.output(b.rounded(b.op("MatMul", b.input("x", (1, 3)), b.weights(weights, 0.1, zero_point=9)), 0.1))
    fails(b, "are asymmetric .*weight_type=QuantType.QInt8")


def test_a_product_of_two_activations_is_refused() -> None:
    b = Builder()
    x = b.input("x", (3, 3))
    b.output(b.rounded(b.op("MatMul", x, x), 0.1))
    fails(b, "input 1 is computed at run time, expected a constant")


def test_open_dimensions_other_than_the_batch_are_named() -> None:
    b = Builder()
    b.output(b.rounded(b.op("Relu", b.input("x", ("batch", 3, "height", 8))), 0.1))
    fails(b, "input 'x': dimension 2 .height. is dynamic; make it fixed")


def test_a_softmax_finer_than_the_kernel_can_follow_is_named() -> None:
    b = Builder()
    b.output(b.rounded(b.op("Softmax", b.input("x", (1, 3))), 0.001))
    fails(b, "its output has scale 0.001; .* rescaled to half of that or more")


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_scales_that_are_none_are_refused(scale: float) -> None:
    b = Builder()
    b.output(b.rounded(b.op("Relu", b.input("x", (1, 3))), scale))
    fails(b, "scale is not a positive finite number", ModelError)


def test_a_tensor_that_nothing_computes_is_named() -> None:
    b = Builder()
    b.output(b.rounded(b.op("Relu", "ghost"), 0.1))
    fails(b, "reads 'ghost', which no earlier node computes", ModelError)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda node: node.attribute.append(onnx.helper.make_attribute("strides", [0, 1])), "'strides' is .0, 1."),
        (lambda node: node.attribute.append(onnx.helper.make_attribute("pads", [1, -1, 0, 0])), "'pads' is"),
        (lambda node: node.attribute.append(onnx.helper.make_attribute("pads", "same")), "'pads' is not of type INTS"),
        (lambda node: node.attribute.append(onnx.helper.make_attribute("group", 2)), "do not match 3 input channels"),
        (lambda node: node.attribute.append(onnx.helper.make_attribute("kernel_shape", [1, 1])), "differs from"),
        (
            lambda node: node.attribute.append(onnx.helper.make_attribute("dilations", [9, 9])),
            "its window does not fit",
        ),
        (lambda node: node.ClearField("output"), "the node has no output"),
    ],
)
def test_malformed_convolutions_are_refused(change: Callable[[onnx.NodeProto], None], message: str) -> None:
    b = Builder()
    b.output(b.rounded(b.op("Conv", b.input("x", (1, 3, 8, 8)), b.weights(WEIGHTS)), 0.1))
    change(next(node for node in b.nodes if node.op_type == "Conv"))
    fails(b, message, ModelError)


def test_an_initializer_shorter_than_its_shape_is_refused() -> None:
    b = Builder()
    b.output(b.rounded(b.op("Conv", b.input("x", (1, 3, 8, 8)), b.weights(WEIGHTS)), 0.1))
    tensor = next(tensor for tensor in b.initializers if len(tensor.dims) == 4)
    tensor.raw_data = tensor.raw_data[:-5]
    fails(b, re.escape(f"initializer '{tensor.name}'"), ModelError)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_corrupt_models_end_in_an_error_or_a_model(data: st.DataObject) -> None:
    b = Builder()
    x = b.input("x", (1, 3, 6, 6))
    y = b.rounded(b.op("Conv", b.op("Pad", x, b.indices([0, 0, 1, 0, 0, 0, 1, 1])), b.weights(WEIGHTS)), 0.1)
    y = b.op("Reshape", b.op("Transpose", y, perm=[0, 2, 1, 3]), b.indices([1, -1]))
    b.output(b.rounded(b.op("MatMul", y, b.weights(np.ones((120, 2), np.int8), 0.01, 1)), 0.1))
    raw = bytearray(b.build().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    model = onnx.ModelProto()
    try:
        model.ParseFromString(bytes(raw))
    except DecodeError:
        return
    try:
        lower(model, "net.onnx")
    except (ModelError, UnsupportedError) as error:
        assert "malformed model (" not in str(error)


@pytest.mark.parametrize("axis", [4, -5])
def test_axes_of_a_pad_beyond_its_input_are_refused(axis: int) -> None:
    b = Builder()
    x = b.input("x", (1, 3, 6, 6))
    b.output(b.rounded(b.op("Pad", x, b.indices([1, 1]), "", b.indices([axis])), 0.1))
    fails(b, rf"\(Pad\): axis {axis} is out of range for 4 dimensions", ModelError)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [np.array([1 + 2j, 0]), np.array([1.0, 0.0]), np.array([True, False])])
@pytest.mark.parametrize("op", ["Pad", "ReduceMean", "Reshape", "Slice", "Split", "Squeeze"])
def test_numbers_that_are_no_integers_are_no_shapes_axes_or_bounds(op: str, values: NDArray[Any]) -> None:
    b = Builder(opset=18)
    x = b.input("x", (2, 3, 6, 6))
    listed = b.constant(values)
    b.output(b.rounded(b.op(op, x, listed, *([listed] if op == "Slice" else [])), 0.1))
    fails(b, rf"\({op}\): input 1 has {values.dtype.name} values, expected integers", ModelError)


def test_a_dequantised_constant_is_no_shape() -> None:
    b = Builder()
    shape = b.weights(np.array([2, 54], np.int8))
    b.output(b.rounded(b.op("Reshape", b.input("x", (1, 3, 6, 6)), shape), 0.1))
    fails(b, r"\(Reshape\): input 1 has quantised values, expected integers", ModelError)


def test_constants_quantised_with_too_many_scales_are_refused() -> None:
    b = Builder()
    scales, points = b.constant(np.full(5, 0.1, np.float32)), b.constant(np.zeros(5, np.int8))
    weights = b.constant(WEIGHTS.astype(np.float32), "kernel")
    integers = b.op("QuantizeLinear", weights, scales, points, axis=0)
    kernel = b.op("DequantizeLinear", integers, scales, points, axis=0)
    b.output(b.rounded(b.op("Conv", b.input("x", (1, 3, 8, 8)), kernel), 0.1))
    fails(b, rf"\(QuantizeLinear\): 5 scales or zero points along axis 0 of '{weights}'", ModelError)


def test_integers_joined_with_a_constant_are_named() -> None:
    b = Builder()
    b.input("x", (1, 3))
    integers, *parameters = b.quantised("x", 0.02, 3)
    joined = b.op("Concat", integers, b.constant(np.zeros((1, 3), np.int8)), axis=1)
    b.output(b.op("DequantizeLinear", joined, *parameters))
    fails(b, r"\(Concat\): concatenates integers with a constant; supported: float constants")


def test_parts_whose_sizes_are_computed_are_refused() -> None:
    b = Builder()
    x = b.input("x", (1, 3))
    b.output(b.rounded(b.op("Split", x, x, axis=1), 0.1))
    fails(b, r"\(Split\): input 1 is computed at run time, expected a constant")
