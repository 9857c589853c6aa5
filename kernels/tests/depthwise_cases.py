"""Random depthwise convolutions with the reference interpreter's outputs, for element_cases.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from case_parts import Rng, clamp, few_values, int8, record, zero_point
from numpy.typing import NDArray

from wpconvert.codecs import STANDALONE, encode
from wpconvert.graph.arithmetic import requantise
from wpconvert.graph.attributes import SAME, VALID
from wpconvert.graph.custom.table import RequantTable
from wpconvert.reference.kernels.convolution import add_bias, depthwise_accumulate, prepare_depthwise_weights
from wpconvert.reference.window import window_geometry


def depthwise(
    rng: Rng,
    name: str,
    x_shape: tuple[int, int, int, int],
    kernel: tuple[int, int] = (3, 3),
    depth_multiplier: int = 1,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: str = SAME,
    method: str = "rows",
    kind: str = "usual",
) -> bytes:
    """A depthwise convolution; kind "extreme" has biases and shifts no model has, "mixed" channels of which some need
    a shift to the left and some have a bias that few models have."""
    channels = x_shape[3] * depth_multiplier
    weights = int8(rng, (1, *kernel, channels))
    if method != "rows":
        weights[rng.random(weights.shape) < 0.6] = 0
    faint = rng.random(channels) < (rng.choice([0.1, 0.5, 0.9]) if kind == "mixed" else 0)
    weights[..., faint] = np.sign(weights[..., faint]) * (rng.random((1, *kernel, int(faint.sum()))) < 0.2)
    if method == "packed":
        weights = few_values(rng, weights.shape, 3)
    x, point = int8(rng, x_shape), zero_point(rng)
    (height, width), pads = window_geometry(x_shape[1:3], kernel, stride, padding, dilation)
    sums = depthwise_accumulate(x, prepare_depthwise_weights(weights), point, stride, padding, dilation)
    bias = rng.integers(-20000, 20000, channels).astype(np.int32)
    count = channels if rng.random() < 0.8 else 1
    bias[faint] >>= 7
    huge = rng.random(channels) < (0.1 if kind == "mixed" else 0)
    bias[huge] = rng.integers(-(1 << 31), 1 << 31, int(huge.sum()))
    if kind == "extreme":
        fixed = rng.integers(0, 1 << 31, count).astype(np.int32)
        shift = rng.integers(-31, 31, count).astype(np.int8)
        bias = rng.integers(-(1 << 31), 1 << 31, channels).astype(np.int32)
    else:
        size = np.abs(sums).mean(axis=(0, 1, 2)) if kind == "mixed" and count > 1 else np.abs(sums).mean()
        real = rng.uniform(20, 120, count) / np.maximum(1.0, size)
        exponent = np.floor(np.log2(real)).astype(int) + 1
        fixed = np.clip(np.round(real / 2.0**exponent * 2**31), 1 << 30, (1 << 31) - 1).astype(np.int32)
        shift = exponent.astype(np.int8)
    output_point = zero_point(rng)
    low, high = (-128, 127) if kind == "usual" else clamp(rng)
    folded = (bias - point * weights.astype(np.int64).sum(axis=(0, 1, 2))).astype(np.int32)
    table = RequantTable(folded, fixed, shift, point, output_point, low, high, True)
    y = requantise(add_bias(sums, bias), fixed, shift.astype(np.int32), output_point, low, high)
    stored: NDArray[Any] = weights
    if method != "rows":
        stored = np.asarray(encode(method, weights, 3, 2))
    fields = [
        method != "rows", rng.random() < 0.5, *x_shape, height, width, channels, *kernel, 1, *stride, *dilation,
        pads.top, pads.left,
    ]  # fmt: skip
    return record("depthwise", name, fields, stored, table.pack(), bias, x, y)


def random_depthwise(rng: Rng, name: str) -> bytes:
    padding = str(rng.choice([SAME, VALID]))
    method = str(rng.choice(["rows", "rows", *STANDALONE]))
    kind = str(rng.choice(["usual", "mixed", "mixed", "clamped", "extreme"]))
    batch = int(rng.choice([1, 1, 2]))
    channels = int(rng.integers(1, 40))
    if rng.random() < 0.7:
        side = int(rng.choice([1, 1, 2]))
        low = 1 if padding == SAME else 3
        size = (int(rng.integers(low, 14)), int(rng.integers(low, 14)))
        if rng.random() < 0.1:
            size = (int(rng.integers(20, 60)), int(rng.integers(20, 60)))
            channels = int(rng.integers(1, 9))
        return depthwise(rng, name, (batch, *size, channels), stride=(side, side), padding=padding, method=method,
                         kind=kind)  # fmt: skip
    kernel = (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    stride = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    dilation = (1, 1) if rng.random() < 0.6 else (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    least = [1, 1] if padding == SAME else [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = (least[0] + int(rng.integers(0, 8)), least[1] + int(rng.integers(0, 8)))
    depth = int(rng.choice([1, 1, 2, 3, 8]))
    return depthwise(
        rng, name, (batch, *size, min(channels, 20)), kernel, depth, stride, dilation, padding, method, kind
    )
