"""Unary activations and SOFTMAX against both runtimes, on every int8 value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.reference.harness import SEEDS, ZERO_POINTS, all_int8, assert_same_bits, few, int8, scales
from tests.support.models import ModelBuilder
from wpconvert.formats.tflite.schema import options


def unary(
    name: str, scale: tuple[float, float], zero_point: tuple[int, int], op_options: object = None
) -> ModelBuilder:
    """A model of one unary operator on all int8 values."""
    b = ModelBuilder()
    x = b.input((1, 256, 1), scale[0], zero_point[0])
    y = b.tensor((1, 256, 1), "int8", scale[1], zero_point[1])
    b.output(b.op(name, [x], [y], op_options))
    return b


@few
@given(scales(), scales(), ZERO_POINTS, ZERO_POINTS)
def test_relu(input_scale: float, output_scale: float, zero_in: int, zero_out: int) -> None:
    assert_same_bits(unary("RELU", (input_scale, output_scale), (zero_in, zero_out)), [all_int8()])


@few
@given(scales(), scales(), ZERO_POINTS, ZERO_POINTS)
def test_relu6(input_scale: float, output_scale: float, zero_in: int, zero_out: int) -> None:
    assert_same_bits(unary("RELU6", (input_scale, output_scale), (zero_in, zero_out)), [all_int8()])


@few
@given(scales(), scales(), ZERO_POINTS, ZERO_POINTS, st.sampled_from([0.0, 0.01, 0.2, 0.3, 1.0, 1.7]))
def test_leaky_relu(input_scale: float, output_scale: float, zero_in: int, zero_out: int, alpha: float) -> None:
    b = unary(
        "LEAKY_RELU",
        (input_scale, output_scale),
        (zero_in, zero_out),
        options("LeakyReluOptions", alpha=alpha),
    )
    assert_same_bits(b, [all_int8()])


@few
@given(scales(), scales(), ZERO_POINTS, ZERO_POINTS)
def test_hard_swish(input_scale: float, output_scale: float, zero_in: int, zero_out: int) -> None:
    # Outside these ratios the kernels' 16-bit arithmetic does not work, and the interpreter refuses.
    assume(2**-15 <= input_scale / 128 / output_scale < 1)
    assert_same_bits(unary("HARD_SWISH", (input_scale, output_scale), (zero_in, zero_out)), [all_int8()])


@few
@given(scales(-12, 2), ZERO_POINTS)
def test_logistic(input_scale: float, zero_point: int) -> None:
    assert_same_bits(unary("LOGISTIC", (input_scale, 1 / 256), (zero_point, -128)), [all_int8()])


@few
@given(scales(-12, 2), ZERO_POINTS)
def test_tanh(input_scale: float, zero_point: int) -> None:
    assert_same_bits(unary("TANH", (input_scale, 1 / 128), (zero_point, 0)), [all_int8()])


@few
@given(
    scale=scales(-9, 3),
    zero_point=ZERO_POINTS,
    beta=st.sampled_from([1.0, 0.5, 2.0, 0.1]),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 300)),
    spread=st.integers(1, 127),
    seed=SEEDS,
)
def test_softmax(*, scale: float, zero_point: int, beta: float, shape: tuple[int, int], spread: int, seed: int) -> None:
    b = ModelBuilder()
    x = b.input(shape, scale, zero_point)
    y = b.tensor(shape, "int8", 1 / 256, -128)
    b.output(b.op("SOFTMAX", [x], [y], options("SoftmaxOptions", beta=beta)))
    assert_same_bits(b, [int8(seed, shape) // np.int8(128 - spread)])


@pytest.mark.parametrize("name", ["LOGISTIC", "TANH"])
@pytest.mark.parametrize("scale", [1 / 16, 1 / 32, 0.0471, 0.1])
def test_usual_scales(name: str, scale: float) -> None:
    output = (1 / 256, -128) if name == "LOGISTIC" else (1 / 128, 0)
    assert_same_bits(unary(name, (scale, output[0]), (3, output[1])), [all_int8()])
