"""Pooled operators against a literal implementation of docs/FORMAT.md, and against dense operators."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.reference.harness import SEEDS, ZERO_POINTS, int8
from tests.support.models import out_size
from tests.support.pools import Pooled, pooled_model, random_pool
from tools.vectors.literal_pool import Arithmetic, requantised
from wpconvert.codecs import Lut
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.graph.custom.levels import fold_bias, level_of, levels, unfold_bias, unit_log2, zero_sums
from wpconvert.graph.custom.operators import OperatorOptions
from wpconvert.graph.custom.table import RequantTable
from wpconvert.reference.interpreter import Interpreter

SIZES = st.sampled_from([1, 2, 5, 64, 256])
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Layer:
    """A pooled operator, its input and its table."""

    stored: Pooled
    table: RequantTable
    options: OperatorOptions
    x: NDArray[np.int8]

    @property
    def arithmetic(self) -> Arithmetic:
        pool = self.stored.pool
        return Arithmetic(pool.vectors.tolist(), pool.lut_shift, self.options.act_bits, self.table.input_zero_point)

    def run(self, codec: str = "pool") -> NDArray[np.int8]:
        """The outputs of the reference interpreter."""
        model = pooled_model(self.stored, self.table, self.x.shape, self.options, codec).build()
        (y,) = Interpreter(read_graph(model)).run([self.x])
        return np.asarray(y)

    def requantised(self, total: int, channel: int) -> int:
        t = self.table
        numbers = (int(t.bias[channel]), int(t.multiplier[channel]), int(t.shift[channel]))
        return requantised(total, *numbers, t.output_zero_point, t.activation_min, t.activation_max)


def random_table(rng: np.random.Generator, channels: int, zero_point: int, spread: float) -> RequantTable:
    """Multipliers that spread sums of that size over the outputs, biases of the same size, now and then huge ones."""
    real = rng.uniform(20, 200, channels) / spread
    exponent = np.floor(np.log2(real)).astype(np.int64) + 1
    multiplier = np.clip(np.round(real / 2.0**exponent * 2**31), 1 << 30, (1 << 31) - 1).astype(np.int32)
    reach = 2**31 - 1 if rng.random() < 0.1 else int(spread)
    low, high = (-128, 127) if rng.random() < 0.7 else sorted(int(v) for v in rng.integers(-128, 128, 2))
    return RequantTable(
        rng.integers(-reach, reach + 1, channels).astype(np.int32),
        multiplier,
        exponent.astype(np.int8),
        zero_point,
        int(rng.integers(-128, 128)),
        low,
        high,
        True,
    )


@st.composite
def layers(draw: st.DrawFn, ndim: int) -> Layer:
    """A small layer of any arithmetic. ndim: dimensions of its weights."""
    seed = draw(SEEDS)
    rng = np.random.default_rng(seed)
    lut_bits = draw(st.sampled_from([4, 8, 16]))
    lut_shift = draw(st.integers(0, 7)) if lut_bits == 4 else 0
    pool = random_pool(rng, draw(SIZES), lut_bits, lut_shift)
    act_bits, zero_point = draw(st.integers(1, 8)), draw(ZERO_POINTS)
    depth, rows, batch = draw(st.integers(1, 20)), draw(st.integers(1, 4)), draw(st.integers(1, 2))
    shape: tuple[int, ...] = (rows, depth)
    x_shape: tuple[int, ...] = (batch, depth)
    options = OperatorOptions(act_bits=act_bits)
    if ndim == 4:
        padding = draw(st.sampled_from(["SAME", "VALID"]))
        pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
        kernel, stride, dilation = draw(pairs), draw(pairs), draw(pairs)
        low = [(k - 1) * d + 1 if padding == "VALID" else 1 for k, d in zip(kernel, dilation, strict=True)]
        shape = (rows, *kernel, depth)
        x_shape = (batch, *(draw(st.integers(least, least + 3)) for least in low), depth)
        options = OperatorOptions(padding=padding, stride=stride, dilation=dilation, act_bits=act_bits)
    stored = Pooled.random(rng, pool, shape)
    spread = 1 + float(np.abs(stored.weights.astype(int)).sum(axis=tuple(range(1, ndim))).mean()) * 2.0**act_bits / 16
    table = random_table(rng, rows, zero_point, spread / 2**lut_shift)
    return Layer(stored, table, options, int8(seed, x_shape))


def literal_convolution(layer: Layer) -> NDArray[np.int8]:
    """WP_CONV_2D, output by output."""
    o = layer.options
    batch, height, width, depth = layer.x.shape
    rows, kernel = layer.stored.shape[0], layer.stored.shape[1:3]
    size, before = [], []
    for length, window, step, dilation in zip((height, width), kernel, o.stride, o.dilation, strict=True):
        outputs = out_size(length, window, step, o.padding, dilation)
        size.append(outputs)
        total = (outputs - 1) * step + (window - 1) * dilation + 1 - length
        before.append(max(total, 0) // 2 if o.padding == "SAME" else 0)
    arithmetic, point = layer.arithmetic, layer.table.input_zero_point
    result = np.zeros((batch, *size, rows), np.int8)
    for b, i, j in np.ndindex(batch, *size):
        taps = []
        for ky, kx in np.ndindex(*kernel):
            y = i * o.stride[0] - before[0] + ky * o.dilation[0]
            x = j * o.stride[1] - before[1] + kx * o.dilation[1]
            inside = 0 <= y < height and 0 <= x < width
            taps.append(layer.x[b, y, x].tolist() if inside else [point] * depth)
        for c in range(rows):
            result[b, i, j, c] = layer.requantised(arithmetic.window(taps, layer.stored.index[c].tolist()), c)
    return result


@many
@given(layer=layers(ndim=4))
def test_convolution_is_what_the_document_says(layer: Layer) -> None:
    np.testing.assert_array_equal(layer.run(), literal_convolution(layer))


@many
@given(layer=layers(ndim=2))
def test_fully_connected_is_what_the_document_says(layer: Layer) -> None:
    index = layer.stored.index.tolist()
    expected = [
        [layer.requantised(layer.arithmetic.window([x.tolist()], index[c]), c) for c in range(len(index))]
        for x in layer.x
    ]
    np.testing.assert_array_equal(layer.run(), expected)


@many
@given(layer=layers(ndim=4))
def test_exact_entries_and_all_bits_are_the_dense_operator(layer: Layer) -> None:
    exact = replace(layer.stored.pool, lut_bits=16, lut_shift=0)
    same = replace(layer, stored=replace(layer.stored, pool=exact), options=replace(layer.options, act_bits=8))
    np.testing.assert_array_equal(same.run(), same.run("dense"))


@many
@given(layer=layers(ndim=4), lut=st.sampled_from(Lut))
def test_where_the_table_is_changes_no_output(layer: Layer, lut: Lut) -> None:
    pool = layer.stored.pool
    lut = Lut.RAM if pool.lut_shift and lut is Lut.NONE else lut
    other = replace(layer, stored=replace(layer.stored, pool=replace(pool, lut=lut)))
    np.testing.assert_array_equal(layer.run(), other.run())


@many
@given(layer=layers(ndim=4))
def test_zero_sums_are_the_sums_of_an_input_of_zero_points(layer: Layer) -> None:
    point, bits, shift = layer.table.input_zero_point, layer.options.act_bits, layer.stored.pool.lut_shift
    taps = [[point] * layer.stored.shape[3]] * layer.stored.index.shape[1]
    expected = [layer.arithmetic.window(taps, row) for row in layer.stored.index.tolist()]
    assert zero_sums(layer.stored.weights, point, bits, shift).tolist() == expected


@many
@given(layer=layers(ndim=4))
def test_folded_bias_is_what_an_input_of_zero_points_leaves(layer: Layer) -> None:
    point, bits, shift = layer.table.input_zero_point, layer.options.act_bits, layer.stored.pool.lut_shift
    sums = zero_sums(layer.stored.weights, point, bits, shift)
    dense = layer.table.bias >> 8
    table = replace(layer.table, bias=fold_bias(dense, sums, unit_log2(bits, shift)))
    y = replace(layer, table=table, x=np.full_like(layer.x, point)).run()
    for c, bias in enumerate(dense.tolist()):
        unit = 1 << unit_log2(bits, shift)
        rounded = (abs(bias) + unit // 2) // unit * (1 if bias >= 0 else -1)
        assert (y[..., c] == layer.requantised(rounded - int(layer.table.bias[c]), c)).all()


@pytest.mark.parametrize("act_bits", range(1, 9))
def test_levels_of_all_activations_and_zero_points(act_bits: int) -> None:
    x = np.arange(-128, 128).astype(np.int8)
    step = 1 << 8 - act_bits
    for point in range(-128, 128):
        found = levels(x, act_bits, point)
        literal = Arithmetic([], 0, act_bits, point)
        assert found.tolist() == [literal.level(value) for value in range(-128, 128)]
        assert level_of(point, act_bits) == literal.level(point)
        if 2 * (point + 128) + step > 511:
            continue
        # Steps of equal width, the zero point in the middle of its own unless that passes 127; the outermost differ.
        error = np.abs(step * (found.astype(int) - level_of(point, act_bits)) - (x.astype(int) - point))
        inner = (found > found.min()) & (found < found.max())
        assert (error[inner] <= step // 2).all()
    assert levels(x, 8, 5).tolist() == x.tolist()


@given(
    bias=st.integers(-(2**31), 2**31 - 1),
    sums=st.integers(-(2**40), 2**40),
    unit=st.integers(0, 14),
)
def test_unfolding_gives_a_bias_that_folds_to_the_same(bias: int, sums: int, unit: int) -> None:
    folded = fold_bias(np.array([bias]), np.array([sums]), unit)
    again = unfold_bias(folded, np.array([sums]), unit)
    assert abs(int(again[0]) - bias) <= 1 << unit >> 1
    assert fold_bias(again, np.array([sums]), unit).tolist() == folded.tolist()
