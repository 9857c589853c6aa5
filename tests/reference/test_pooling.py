"""MAX_POOL_2D and AVERAGE_POOL_2D against both runtimes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.harness import ACTIVATIONS, SEEDS, ZERO_POINTS, assert_same_bits, few, int8, scales
from tests.support.models import ModelBuilder, out_size
from wpconvert.formats.tflite.schema import ActivationFunctionType, Padding, options


@pytest.mark.parametrize("name", ["MAX_POOL_2D", "AVERAGE_POOL_2D"])
@few
@given(
    padding=st.sampled_from(["SAME", "VALID"]),
    window=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    extra=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    batch_and_channels=st.tuples(st.integers(1, 2), st.integers(1, 5)),
    scale=scales(),
    zero_point=ZERO_POINTS,
    activation=ACTIVATIONS,
    seed=SEEDS,
)
def test_pool(
    *,
    name: str,
    padding: str,
    window: tuple[int, int],
    stride: tuple[int, int],
    extra: tuple[int, int],
    batch_and_channels: tuple[int, int],
    scale: float,
    zero_point: int,
    activation: str,
    seed: int,
) -> None:
    size = [w + e if padding == "VALID" else 1 + e for w, e in zip(window, extra, strict=True)]
    batch, channels = batch_and_channels
    b = ModelBuilder()
    x = b.input((batch, *size, channels), scale, zero_point)
    out = [out_size(n, w, s, padding) for n, w, s in zip(size, window, stride, strict=True)]
    y = b.tensor((batch, *out, channels), "int8", scale, zero_point)
    op_options = options(
        "Pool2DOptions",
        padding=getattr(Padding, padding),
        filterHeight=window[0],
        filterWidth=window[1],
        strideH=stride[0],
        strideW=stride[1],
        fusedActivationFunction=getattr(ActivationFunctionType, activation),
    )
    b.output(b.op(name, [x], [y], op_options))
    assert_same_bits(b, [int8(seed, (batch, *size, channels))])
