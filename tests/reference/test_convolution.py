"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED against both runtimes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.reference.harness import ACTIVATIONS, SEEDS, ZERO_POINTS, assert_same_bits, few, int8, scales
from tests.support.models import ModelBuilder, out_size
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.graph.attributes import SAME, VALID
from wpconvert.reference.interpreter import Interpreter
from wpconvert.reference.kernels.convolution import (
    conv2d_accumulate,
    depthwise_accumulate,
    prepare_conv_weights,
    prepare_depthwise_weights,
)
from wpconvert.reference.kernels.fully_connected import fully_connected_accumulate, prepare_fc_weights


@dataclass(frozen=True)
class Window:
    """Geometry of a convolution."""

    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: str


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Geometries with a non-empty output; the runtimes take a stride or a dilation other than 1, not both."""
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    dilation = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    low = [(k - 1) * d + 1 if padding == "VALID" else 1 for k, d in zip(kernel, dilation, strict=True)]
    size = (draw(st.integers(low[0], low[0] + 7)), draw(st.integers(low[1], low[1] + 7)))
    return Window(size, kernel, stride, dilation, padding)


@dataclass(frozen=True)
class Numbers:
    """Quantisation and contents of a layer with weights."""

    seed: int
    input_scale: float
    input_zero_point: int
    output_zero_point: int
    per_channel: bool
    gain: float
    bias: bool
    activation: str

    def weights(self, shape: tuple[int, ...]) -> NDArray[np.int8]:
        return int8(self.seed, shape)

    def weight_scales(self, channels: int) -> NDArray[np.float32]:
        rng = np.random.default_rng(self.seed + 1)
        count = channels if self.per_channel else 1
        return np.exp2(rng.uniform(-12, -4, count)).astype(np.float32)

    def biases(self, channels: int) -> NDArray[np.int32] | None:
        if not self.bias:
            return None
        return np.random.default_rng(self.seed + 2).integers(-(2**15), 2**15, channels, dtype=np.int32)

    def output_scale(self, channels: int, taps: int) -> float:
        """A scale that spreads typical accumulators over the int8 range when `gain` is 1."""
        spread = 128 * 128 * np.sqrt(taps) / 256
        return float(np.float32(self.input_scale * self.weight_scales(channels).max() * spread * self.gain))


numbers = st.builds(
    Numbers,
    seed=SEEDS,
    input_scale=scales(),
    input_zero_point=ZERO_POINTS,
    output_zero_point=ZERO_POINTS,
    per_channel=st.booleans(),
    gain=st.sampled_from([0.01, 0.3, 1.0, 2.0, 50.0]),
    bias=st.booleans(),
    activation=ACTIVATIONS,
)


def _oracles(n: Numbers) -> list[str]:
    """LiteRT's reference convolutions insist on a bias."""
    return ["tflm", "litert"] if n.bias else ["tflm"]


def _layer(n: Numbers, channels: int, taps: int) -> dict[str, Any]:
    return {
        "bias": n.biases(channels),
        "scale": n.output_scale(channels, taps),
        "zero_point": n.output_zero_point,
        "weight_scales": n.weight_scales(channels),
        "activation": n.activation,
    }


@few
@given(windows(), numbers, st.integers(1, 2), st.integers(1, 6), st.integers(1, 6))
def test_conv_2d(w: Window, n: Numbers, batch: int, inputs: int, outputs: int) -> None:
    b = ModelBuilder()
    x = b.input((batch, *w.size, inputs), n.input_scale, n.input_zero_point)
    weights = n.weights((outputs, *w.kernel, inputs))
    layer = _layer(n, outputs, inputs * w.kernel[0] * w.kernel[1])
    b.output(b.conv2d(x, weights, stride=w.stride, padding=w.padding, dilation=w.dilation, **layer))
    assert_same_bits(b, [int8(n.seed + 3, (batch, *w.size, inputs))], _oracles(n))


@few
@given(windows(), numbers, st.integers(1, 3), st.integers(2, 3), st.integers(1, 3))
def test_grouped_conv_2d(w: Window, n: Numbers, depth: int, groups: int, per_group: int) -> None:
    inputs, outputs = depth * groups, per_group * groups
    b = ModelBuilder()
    x = b.input((1, *w.size, inputs), n.input_scale, n.input_zero_point)
    weights = n.weights((outputs, *w.kernel, depth))
    layer = _layer(n, outputs, depth * w.kernel[0] * w.kernel[1])
    b.output(b.conv2d(x, weights, stride=w.stride, padding=w.padding, dilation=w.dilation, **layer))
    assert_same_bits(b, [int8(n.seed + 3, (1, *w.size, inputs))], _oracles(n))


@few
@given(windows(), numbers, st.integers(1, 2), st.integers(1, 6), st.integers(1, 3))
def test_depthwise_conv_2d(w: Window, n: Numbers, batch: int, inputs: int, multiplier: int) -> None:
    outputs = inputs * multiplier
    b = ModelBuilder()
    x = b.input((batch, *w.size, inputs), n.input_scale, n.input_zero_point)
    weights = n.weights((1, *w.kernel, outputs))
    layer = _layer(n, outputs, w.kernel[0] * w.kernel[1])
    b.output(b.depthwise(x, weights, stride=w.stride, padding=w.padding, dilation=w.dilation, **layer))
    assert_same_bits(b, [int8(n.seed + 3, (batch, *w.size, inputs))], _oracles(n))


@few
@given(numbers, st.integers(1, 3), st.integers(1, 40), st.integers(1, 20), st.booleans())
def test_fully_connected(n: Numbers, batch: int, depth: int, units: int, keep_dims: bool) -> None:
    shape = (batch, 2, depth) if keep_dims else (batch, depth)
    b = ModelBuilder()
    x = b.input(shape, n.input_scale, n.input_zero_point)
    layer = _layer(n, units, depth)
    b.output(b.fully_connected(x, n.weights((units, depth)), keep_dims=keep_dims, **layer))
    assert_same_bits(b, [int8(n.seed + 3, shape)])


def test_fully_connected_rounding_differs_between_the_runtimes() -> None:
    """0.3 is 0.6 halves: the device rounds that to 1 half and then to 1, LiteRT rounds 0.3 to 0."""
    b = ModelBuilder()
    x = b.input((1, 1), 0.3, 0)
    b.output(b.fully_connected(x, np.array([[1], [-1]], dtype=np.int8), scale=1.0, weight_scales=1.0))
    model, value = b.build(), np.array([[1]], dtype=np.int8)
    assert Interpreter(read_graph(model), "tflm").run([value])[0].tolist() == [[1, -1]]
    assert Interpreter(read_graph(model), "litert").run([value])[0].tolist() == [[0, 0]]
    assert_same_bits(b, [value])


@few
@given(numbers)
def test_fully_connected_with_ties(n: Numbers) -> None:
    """Scales that are powers of two put many sums exactly between two outputs."""
    b = ModelBuilder()
    x = b.input((100, 2), 0.25, n.input_zero_point)
    rng = np.random.default_rng(n.seed)
    scales = np.exp2(rng.integers(-6, 1, 4 if n.per_channel else 1))
    y = b.fully_connected(x, n.weights((4, 2)), n.biases(4), scale=16.0, weight_scales=scales)
    b.output(y)
    assert_same_bits(b, [int8(n.seed + 3, (100, 2))])


def test_multipliers_above_one_shift_left_before_the_high_multiply() -> None:
    b = ModelBuilder()
    x = b.input((1, 4, 4, 2), 1.0, 0)
    weights = np.array([[[[1, 0]]], [[[0, -1]]]], dtype=np.int8)
    y = b.conv2d(x, weights, [3, -3], scale=0.3, weight_scales=[1.0, 0.7])
    b.output(b.conv2d(y, weights, [0, 1], scale=0.01, weight_scales=0.5))
    assert_same_bits(b, [int8(5, (1, 4, 4, 2))])


def test_large_sums_stay_exact() -> None:
    """Σ|w|·255 above 2^24 leaves the range of float32."""
    depth = 4096
    x = np.full((1, 1, 1, depth), -128, dtype=np.int8)
    w = np.full((1, 1, 1, depth), -128, dtype=np.int8)
    w[0, 0, 0, 0] = 1
    expected = (depth - 1) * 128 * 255 - 255
    assert conv2d_accumulate(x, prepare_conv_weights(w, x.shape[3]), 127, (1, 1), VALID)[0, 0, 0, 0] == expected
    assert fully_connected_accumulate(x, prepare_fc_weights(w.reshape(1, depth)), 127)[0, 0] == expected


def _direct(x: NDArray[np.int8], w: NDArray[np.int8], zero_point: int, stride: int, pad: int) -> NDArray[np.int64]:
    """A convolution by the definition: loops over outputs and taps, taps outside the image skipped."""
    _, height, width, _ = x.shape
    outputs, kernel_h, kernel_w, _ = w.shape
    size = [out_size(dim, k, stride, "SAME") for dim, k in ((height, kernel_h), (width, kernel_w))]
    sums = np.zeros((1, *size, outputs), np.int64)
    for row, column in np.ndindex(*size):
        for i, j in np.ndindex(kernel_h, kernel_w):
            y, z = row * stride - pad + i, column * stride - pad + j
            if 0 <= y < height and 0 <= z < width:
                sums[0, row, column] += w[:, i, j].astype(np.int64) @ (x[0, y, z].astype(np.int64) - zero_point)
    return sums


def test_padded_taps_contribute_nothing() -> None:
    x, w = int8(1, (1, 6, 6, 3)), int8(2, (4, 3, 3, 3))
    assert np.array_equal(
        conv2d_accumulate(x, prepare_conv_weights(w, x.shape[3]), -7, (1, 1), SAME), _direct(x, w, -7, 1, 1)
    )
    diagonal = np.zeros((3, 3, 3, 3), dtype=np.int8)
    taps = int8(3, (1, 3, 3, 3))
    for channel in range(3):
        diagonal[channel, :, :, channel] = taps[0, :, :, channel]
    assert np.array_equal(
        depthwise_accumulate(x, prepare_depthwise_weights(taps), 90, (1, 1), SAME), _direct(x, diagonal, 90, 1, 1)
    )


@pytest.mark.parametrize("rows", [1, 7])
def test_blocks_of_rows_do_not_change_the_result(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = int8(1, (2, 9, 8, 3)), int8(2, (4, 3, 3, 3))
    whole = conv2d_accumulate(x, prepare_conv_weights(w, x.shape[3]), 3, (2, 1), SAME)
    monkeypatch.setattr("wpconvert.reference.kernels.convolution._CHUNK_BYTES", rows * 2 * 8 * 27 * 4)
    assert np.array_equal(conv2d_accumulate(x, prepare_conv_weights(w, x.shape[3]), 3, (2, 1), SAME), whole)
