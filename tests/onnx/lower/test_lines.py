"""Convolutions and pools over signals, as models of audio and of motion have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.onnx.lower.builder import Builder
from tests.onnx.lower.harness import operators, real_outputs, run_onnx, steps_apart
from tests.onnx.lower.network import signal_network
from tests.onnx.lower.test_layers import agrees, check_convolution, dtypes, feed, few, integers, seeds
from wpconvert.errors import ModelError
from wpconvert.lowering import lower


@st.composite
def convolutions(draw: st.DrawFn) -> dict[str, Any]:
    """Geometry of a Conv along one axis whose window fits into its input."""
    groups = draw(st.sampled_from([1, 1, 3]))
    depth, kernel, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 2))
    extent = (kernel - 1) * dilation + 1
    padding = draw(st.sampled_from(["pads", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    attributes = {"group": groups, "strides": [draw(st.integers(1, 3))], "dilations": [dilation]}
    if padding == "pads":
        attributes["pads"] = [draw(st.integers(0, 2)), draw(st.integers(0, 2))]
    else:
        attributes["auto_pad"] = padding
        attributes["dilations"] = [1]
    return {
        "shape": (1, groups * depth, draw(st.integers(extent, extent + 9))),
        "weights": (groups * draw(st.integers(1, 3)), depth, kernel),
        "attributes": attributes,
    }


@few
@given(convolutions(), dtypes, st.booleans(), seeds)
def test_convolutions(geometry: dict[str, Any], dtype: str, per_channel: bool, seed: int) -> None:
    check_convolution(geometry, dtype, per_channel, "Relu", seed)


@few
@given(
    st.sampled_from(["MaxPool", "AveragePool"]),
    st.integers(1, 4),
    st.integers(1, 3),
    dtypes,
    st.sampled_from([(0.02, 3), (0.015, -20)]),
    seeds,
)
def test_pools(op: str, kernel: int, stride: int, dtype: str, quant: tuple[float, int], seed: int) -> None:
    special: dict[str, Any] = {"ceil_mode": 1} if op == "MaxPool" else {"count_include_pad": 1}
    b = Builder(dtype)
    x = b.input("x", (1, 3, 11), 0.02, 3)
    y = b.op(op, x, kernel_shape=[kernel], strides=[stride], pads=[kernel // 2, 0], **special)
    b.output(b.rounded(y, *quant))
    agrees(b, feed(seed, 1, 3, 11))


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
def test_pools_of_whole_signals(op: str) -> None:
    b = Builder()
    b.output(b.rounded(b.op(op, b.input("x", (1, 3, 11), 0.02, 3)), 0.015, 5))
    agrees(b, feed(0, 1, 3, 11))


def test_a_network_of_signals_moves_no_data() -> None:
    model = signal_network()
    lowered = lower(model, "model")
    assert "TRANSPOSE" not in operators(lowered)
    assert lowered.inputs[0].perm == (0, 2, 1)
    feeds = {"signal": np.random.default_rng(0).normal(0, 1, (1, 3, 64)).astype(np.float32)}
    assert max(steps_apart(model, feeds).values()) <= 1
    [expected], [found] = run_onnx(model, feeds).values(), real_outputs(lowered, feeds)
    assert expected.argmax() == found.argmax()


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"strides": [1, 1]}, "'strides' is"),
        ({"pads": [1]}, "'pads' is"),
        ({"group": 2}, "do not match 3 input channels"),
    ],
)
def test_malformed_ones_are_refused(attributes: dict[str, Any], message: str) -> None:
    b = Builder()
    y = b.op("Conv", b.input("x", (1, 3, 11)), b.weights(integers(0, 4, 3, 3)), **attributes)
    b.output(b.rounded(y, 0.1))
    with pytest.raises(ModelError, match=message):
        lower(b.build(), "model")
