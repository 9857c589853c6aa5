"""QUANTIZE and DEQUANTIZE against both runtimes."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from tests.reference.harness import SEEDS, ZERO_POINTS, all_int8, assert_same_bits, few, scales
from tests.support.models import ModelBuilder
from wpconvert.formats.tflite.schema import options
from wpconvert.reference.kernels.quantise_ops import quantise_float


@few
@given(scales(), ZERO_POINTS, SEEDS)
def test_quantize_float(scale: float, zero_point: int, seed: int) -> None:
    b = ModelBuilder()
    x = b.input((1, 600), dtype="float32")
    y = b.tensor((1, 600), "int8", scale, zero_point)
    b.output(b.op("QUANTIZE", [x], [y], options("QuantizeOptions")))
    rng = np.random.default_rng(seed)
    ties = (rng.integers(-300, 300, 300) + 0.5) * np.float32(scale)
    values = np.concatenate([ties, rng.normal(0, 100 * scale, 300)]).astype(np.float32)
    assert_same_bits(b, [values.reshape(1, 600)])


def test_quantize_saturates_what_c_leaves_undefined() -> None:
    values = np.array([np.inf, -np.inf, np.nan, 1e30, -1e30], dtype=np.float32)
    assert quantise_float(values, np.float32(0.1), 7).tolist() == [127, -128, 7, 127, -128]


@few
@given(scales(), scales(), ZERO_POINTS, ZERO_POINTS)
def test_requantize(input_scale: float, output_scale: float, zero_in: int, zero_out: int) -> None:
    b = ModelBuilder()
    x = b.input((1, 256, 1), input_scale, zero_in)
    y = b.tensor((1, 256, 1), "int8", output_scale, zero_out)
    b.output(b.op("QUANTIZE", [x], [y], options("QuantizeOptions")))
    assert_same_bits(b, [all_int8()])


@few
@given(scales(-20, 10), ZERO_POINTS)
def test_dequantize(scale: float, zero_point: int) -> None:
    b = ModelBuilder()
    x = b.input((1, 256, 1), scale, zero_point)
    y = b.tensor((1, 256, 1), "float32")
    b.output(b.op("DEQUANTIZE", [x], [y], options("DequantizeOptions")))
    assert_same_bits(b, [all_int8()])
