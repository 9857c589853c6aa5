"""AveragePool that counts the values inside the image alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.onnx.lower.builder import Builder
from tests.onnx.lower.harness import operators, steps_apart
from wpconvert.errors import UnsupportedError
from wpconvert.lowering import lower

COUNTING = {"count_include_pad": 1}
SCALE = 0.02


def feed(*shape: int) -> dict[str, NDArray[Any]]:
    return {"x": np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)}


def pooled(shape: tuple[int, ...], scale: float = SCALE, zero_point: int = 3, **attributes: Any) -> Builder:
    b = Builder()
    x = b.input("x", shape, SCALE, 3)
    b.output(b.rounded(b.op("AveragePool", x, **attributes), scale, zero_point))
    return b


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    half=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    fewer=st.tuples(*[st.integers(0, 1)] * 4),
    quant=st.sampled_from([(SCALE, 3), (0.015, -20), (0.03, 0)]),
)
def test_odd_windows_with_up_to_half_of_them_outside(
    size: tuple[int, int],
    half: tuple[int, int],
    strides: tuple[int, int],
    fewer: tuple[int, ...],
    quant: tuple[float, int],
) -> None:
    pads = [max(side - less, 0) for side, less in zip(half * 2, fewer, strict=True)]
    kernel = [2 * side + 1 for side in half]
    shape = (1, 2, *size)
    b = pooled(shape, *quant, kernel_shape=kernel, strides=strides, pads=pads)
    steps = steps_apart(b.build(), feed(*shape))
    assert max(steps.values()) <= 1, steps


def test_same_needs_no_other_operator() -> None:
    b = pooled((1, 2, 8, 8), kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    assert operators(lower(b.build(), "net")) == ["AVERAGE_POOL_2D"]


def test_padding_on_the_other_side_is_that_of_a_larger_image() -> None:
    b = pooled((1, 2, 8, 8), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    assert operators(lower(b.build(), "net")) == ["PAD", "AVERAGE_POOL_2D", "STRIDED_SLICE"]


@pytest.mark.parametrize("attributes", [{"ceil_mode": 1}, {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}])
def test_padding_that_the_operator_computes(attributes: dict[str, Any]) -> None:
    b = pooled((1, 2, 7, 8), kernel_shape=[3, 3], strides=[2, 2], **attributes)
    assert max(steps_apart(b.build(), feed(1, 2, 7, 8)).values()) <= 1


def test_windows_that_reach_out_at_both_sides_of_even_strides_are_chosen_among_all() -> None:
    b = pooled((1, 2, 8, 8), kernel_shape=[5, 5], strides=[2, 2], pads=[2, 2, 2, 2])
    assert operators(lower(b.build(), "net")) == ["AVERAGE_POOL_2D", "STRIDED_SLICE"]


@pytest.mark.parametrize(
    ("scale", "attributes"),
    [
        (SCALE, {"kernel_shape": [2, 2], "strides": [1, 1], "pads": [1, 1, 0, 0]}),
        (SCALE / 3, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        (SCALE / 3, {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [2, 0, 1, 1], "ceil_mode": 1}),
        (SCALE, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 1, 1, 1], "ceil_mode": 1, **COUNTING}),
    ],
)
def test_windows_that_the_kernel_does_not_have_are_means_of_parts(scale: float, attributes: dict[str, Any]) -> None:
    b = pooled((1, 2, 8, 8), scale, **attributes)
    assert "CONCATENATION" in operators(lower(b.build(), "net"))
    assert max(steps_apart(b.build(), feed(1, 2, 8, 8)).values()) <= 1


def test_windows_of_many_sizes_are_named() -> None:
    b = pooled((1, 2, 8, 8), kernel_shape=[7, 7], pads=[6, 6, 6, 6])
    node = next(node.name for node in b.nodes if node.op_type == "AveragePool")
    with pytest.raises(UnsupportedError, match=rf"'{node}' .*: pads \[6, 6, 6, 6\] give windows of more than 25 sizes"):
        lower(b.build(), "net")
