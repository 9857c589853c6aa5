"""Functions of one quantised tensor become a table with ONNX Runtime's integers, whatever operators they consist of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from onnx.helper import make_tensor_value_info

from tests.onnx.lower.builder import Builder
from tests.onnx.lower.harness import operators, real_outputs, run_onnx, steps_apart
from wpconvert.errors import UnsupportedError
from wpconvert.lowering import lower

EVERY = {"x": ((np.arange(-128, 128) - 11) * 0.03).astype(np.float32)[np.newaxis]}
WEIGHTS = np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3), dtype=np.int8)

Function = Callable[[Builder, str], str]


def number(b: Builder, value: float) -> str:
    return b.constant(np.float32(value))


def hard_swish(b: Builder, x: str) -> str:
    clipped = b.op("Clip", b.op("Add", x, number(b, 3)), number(b, 0), number(b, 6))
    return b.op("Div", b.op("Mul", x, clipped), number(b, 6))


def gelu(b: Builder, x: str) -> str:
    tail = b.op("Add", b.op("Erf", b.op("Div", x, number(b, 2**0.5))), number(b, 1))
    return b.op("Mul", b.op("Mul", x, tail), number(b, 0.5))


FUNCTIONS: dict[str, Function] = {
    "HardSigmoid": lambda b, x: b.op("HardSigmoid", x, alpha=1 / 6, beta=0.5),
    "x * HardSigmoid(x)": lambda b, x: b.op("Mul", x, b.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)),
    "x * Sigmoid(x)": lambda b, x: b.op("Mul", b.op("Sigmoid", x), x),
    "x * Tanh(Softplus(x))": lambda b, x: b.op("Mul", x, b.op("Tanh", b.op("Softplus", x))),
    "hard swish": hard_swish,
    "gelu": gelu,
    "Elu": lambda b, x: b.op("Elu", x, alpha=0.7),
    "PRelu": lambda b, x: b.op("PRelu", x, b.constant(np.array([0.2], np.float32))),
    "fine Sigmoid": lambda b, x: b.op("Mul", b.op("Sigmoid", x), number(b, 0.1)),
    "Clip": lambda b, x: b.op("Clip", x, number(b, -0.5), number(b, 0.5)),
    "1 / (x * x + 1)": lambda b, x: b.op("Reciprocal", b.op("Add", b.op("Mul", x, x), number(b, 1))),
    "moved": lambda b, x: b.op("Reshape", b.op("Abs", b.op("Flatten", b.op("Neg", x))), b.indices([1, 256])),
}


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_integer_is_that_of_onnx_runtime(name: str, dtype: str) -> None:
    b = Builder(dtype)
    b.output(b.rounded(FUNCTIONS[name](b, b.input("x", (1, 256), 0.03, 11)), 0.011, -28))
    model = b.build()
    assert operators(lower(model, "model")) == ["WP_LOOKUP"]
    assert set(steps_apart(model, EVERY).values()) == {0}


@pytest.mark.parametrize("op", ["Sigmoid", "Tanh"])
@pytest.mark.parametrize("scale", [0.001, 0.0001])
def test_outputs_finer_than_the_kernels_own(op: str, scale: float) -> None:
    b = Builder()
    b.output(b.rounded(b.op(op, b.input("x", (1, 256), 0.03, 11)), scale, -28))
    assert set(steps_apart(b.build(), EVERY).values()) == {0}


def test_operators_of_tflite_are_preferred() -> None:
    b = Builder()
    x = b.input("x", (1, 256), 0.03, 11)
    y = b.rounded(b.op("Sigmoid", x), 1 / 256, -128)
    y = b.rounded(b.op("Mul", x, y), 0.05, -50)
    b.output(b.rounded(b.op("Clip", y, number(b, 0), number(b, 6)), 0.05, -50))
    assert operators(lower(b.build(), "model")) == ["LOGISTIC", "MUL", "RELU6"]


@pytest.mark.parametrize("bounds", [(-1, 1), (-0.7, 0.9), (0.1, 0.5)])
@pytest.mark.parametrize("op", ["Conv", "MaxPool", "Concat", "Mul"])
def test_clips_after_an_operator(op: str, bounds: tuple[float, float]) -> None:
    b = Builder()
    x = b.input("x", (1, 3, 6, 6))
    y = {
        "Conv": lambda: b.op("Conv", x, b.weights(WEIGHTS)),
        "MaxPool": lambda: b.op("MaxPool", x, kernel_shape=[2, 2]),
        "Concat": lambda: b.op("Concat", x, x, axis=1),
        "Mul": lambda: b.op("Mul", x, x),
    }[op]()
    y = b.op("Clip", y, number(b, bounds[0]), number(b, bounds[1]))
    b.output(b.rounded(y, 0.02, 3))
    feeds = {"x": np.random.default_rng(0).normal(0, 1, (1, 3, 6, 6)).astype(np.float32)}
    assert max(steps_apart(b.build(), feeds).values()) <= 1


def test_a_clip_that_tflite_can_fuse_is_fused() -> None:
    b = Builder()
    y = b.op("Conv", b.input("x", (1, 3, 6, 6)), b.weights(WEIGHTS))
    b.output(b.rounded(b.op("Clip", y, number(b, -1), number(b, 1)), 0.02, 3))
    assert operators(lower(b.build(), "model")) == ["CONV_2D"]


def test_an_operator_that_changes_no_integer_costs_nothing() -> None:
    b = Builder()
    x = b.input("x", (1, 256), 0.03, 11)
    b.output(b.rounded(b.op("Div", x, number(b, 3)), 0.01, 11))
    model = b.build()
    assert operators(lower(model, "model")) == ["RESHAPE"]
    assert set(steps_apart(model, EVERY).values()) == {0}


ENDS: dict[str, tuple[Function, list[str]]] = {
    "Softmax": (lambda b, x: b.op("Softmax", x, axis=-1), ["SOFTMAX"]),
    "Sigmoid": (lambda b, x: b.op("Sigmoid", x), ["LOGISTIC"]),
    "reshaped Softmax": (lambda b, x: b.op("Flatten", b.op("Softmax", x, axis=-1)), ["SOFTMAX"]),
    "HardSwish": (lambda b, x: b.op("HardSwish", x), ["HARD_SWISH"]),
    "gelu": (gelu, ["WP_LOOKUP"]),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_in_float32_is_quantised_to_its_range(name: str) -> None:
    function, expected = ENDS[name]
    b = Builder()
    b.output(function(b, b.input("x", (1, 256), 0.03, 11)))
    model = b.build()
    lowered = lower(model, "model")
    assert operators(lowered) == expected
    [found], [wanted] = real_outputs(lowered, EVERY), run_onnx(model, EVERY).values()
    assert np.abs(found - wanted).max() <= 0.55 * np.ptp([*wanted.reshape(-1), 0, 1]) / 128


def normalised(dtype: int, steps: list[tuple[str, Any]], scale: float, zero_point: int) -> Builder:
    """Sums and products before the first QuantizeLinear, and a convolution after it."""
    b = Builder()
    b.inputs.append(make_tensor_value_info("x", dtype, (1, 3, 8, 8)))
    y = b.op("Cast", "x", to=TensorProto.FLOAT) if dtype == TensorProto.UINT8 else "x"
    for op, value in steps:
        y = b.op(op, y, b.constant(np.asarray(value, np.float32)))
    b.output(b.rounded(b.op("Conv", b.rounded(y, scale, zero_point), b.weights(WEIGHTS), pads=[1] * 4), 0.1))
    return b


@pytest.mark.parametrize(
    ("steps", "scale", "zero_point", "costs"),
    [
        ([("Div", 255)], 1 / 255, -128, ["RESHAPE"]),
        ([("Mul", 1 / 255)], 1 / 255, -128, ["RESHAPE"]),
        ([("Sub", 128), ("Div", 128)], 1 / 128, 0, ["RESHAPE"]),
        ([("Div", 255), ("Sub", 0.5), ("Div", 0.5)], 2 / 255, 0, ["WP_LOOKUP"]),
        ([], 1, -128, []),
    ],
)
def test_integer_images_are_scaled_as_the_model_says(
    steps: list[tuple[str, Any]], scale: float, zero_point: int, costs: list[str]
) -> None:
    model = normalised(TensorProto.UINT8, steps, scale, zero_point).build()
    lowered = lower(model, "model")
    assert operators(lowered) == [*costs, "CONV_2D"]
    assert lowered.inputs[0].dtype == "uint8"
    feeds = {"x": np.random.default_rng(0).integers(0, 256, (1, 3, 8, 8), dtype=np.uint8)}
    assert max(steps_apart(model, feeds).values()) <= 1


@pytest.mark.parametrize(
    ("steps", "scale", "zero_point"),
    [([("Div", 255)], 1 / 255, -128), ([("Sub", 0.5), ("Div", 0.5)], 2 / 255, 0), ([("Add", 1)], 0.02, -90)],
)
def test_steps_before_the_first_rounding_become_the_scale_of_the_input(
    steps: list[tuple[str, Any]], scale: float, zero_point: int
) -> None:
    model = normalised(TensorProto.FLOAT, steps, scale, zero_point).build()
    high = 255 if steps[0][0] == "Div" else 1
    feeds = {"x": (np.random.default_rng(0).random((1, 3, 8, 8)) * high).astype(np.float32)}
    assert max(steps_apart(model, feeds).values()) <= 1


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([("Sub", 150)], "scale 0.0078.* and zero point -1.*, which do not fit int8"),
        ([("Mul", -1)], "supported: operators that only scale and shift it"),
        ([("Pow", 2)], "supported: operators that only scale and shift it"),
        ([("Pow", np.ones((3, 1, 1)))], "only Pow of one quantised tensor and single constants is supported"),
        ([("Div", np.ones((3, 1, 1)))], "input 'x' is computed in float32, with no QuantizeLinear after it"),
    ],
)
def test_other_steps_before_the_first_rounding_are_named(steps: list[tuple[str, Any]], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        lower(normalised(TensorProto.FLOAT, steps, 2 / 255, 0).build(), "net.onnx")


@pytest.mark.parametrize("op", ["Sigmoid", "Tanh"])
@pytest.mark.parametrize("scale", [3.9, 4.0, 7.0, 50.0])
@pytest.mark.parametrize("is_rounded", [True, False])
def test_sigmoid_and_tanh_of_coarse_inputs(op: str, scale: float, is_rounded: bool) -> None:
    b = Builder()
    y = b.op(op, b.input("x", (1, 256), scale, 3))
    b.output(b.rounded(y, 1 / 128, 0) if is_rounded else y)
    model, feeds = b.build(), {"x": np.float32(scale) * np.arange(-131, 125, dtype=np.float32)[None]}
    [found], [expected] = real_outputs(lower(model, "net"), feeds), run_onnx(model, feeds).values()
    assert np.abs(found - expected).max() <= 1.01 / 128


@pytest.mark.parametrize(("op", "attributes"), [("Floor", {}), ("Ceil", {}), ("Round", {}), ("Shrink", {"lambd": 0.4})])
def test_jumps_before_the_first_rounding_are_no_scaling(op: str, attributes: dict[str, Any]) -> None:
    b = Builder()
    b.inputs.append(make_tensor_value_info("x", TensorProto.FLOAT, (1, 8)))
    b.output(b.rounded(b.op(op, "x", **attributes), 0.1))
    with pytest.raises(UnsupportedError, match="supported: operators that only scale and shift it"):
        lower(b.build(), "net.onnx")


@pytest.mark.parametrize(
    ("op", "attributes"), [("MaxPool", {"kernel_shape": [2, 2]}), ("GlobalMaxPool", {}), ("Flatten", {})]
)
def test_a_function_before_an_operator_that_keeps_the_quantisation(op: str, attributes: dict[str, Any]) -> None:
    b = Builder()
    b.output(b.rounded(b.op(op, gelu(b, b.input("x", (1, 3, 6, 6))), **attributes), 0.01, -30))
    feeds = {"x": np.random.default_rng(0).normal(0, 1, (1, 3, 6, 6)).astype(np.float32)}
    assert set(steps_apart(b.build(), feeds).values()) == {0}


def test_a_function_that_several_scales_round() -> None:
    b = Builder()
    y = gelu(b, b.input("x", (1, 3, 6, 6)))
    b.output(b.rounded(b.op("Add", b.rounded(y, 0.01, -30), b.rounded(y, 0.02, 5)), 0.03, 4))
    model = b.build()
    assert operators(lower(model, "model")) == ["WP_LOOKUP", "WP_LOOKUP", "ADD"]
    feeds = {"x": np.random.default_rng(0).normal(0, 1, (1, 3, 6, 6)).astype(np.float32)}
    assert max(steps_apart(model, feeds).values()) <= 1


def test_a_function_that_is_never_rounded_is_named_by_its_last_node() -> None:
    b = Builder()
    y = gelu(b, b.input("x", (1, 3, 6, 6)))
    b.output(b.rounded(b.op("Conv", y, b.weights(WEIGHTS)), 0.1))
    last = [node.name for node in b.nodes if node.op_type == "Mul"][-1]
    with pytest.raises(UnsupportedError, match=rf"of node '{last}' \(Mul\) is computed in float32"):
        lower(b.build(), "model")
