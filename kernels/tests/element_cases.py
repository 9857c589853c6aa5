"""Cases for element_cases.c: random calls of the element-wise kernels, or those of the speed table, with the
reference interpreter's outputs.

    python kernels/tests/element_cases.py FILE [--count N] [--seed S] [--layers]
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from case_parts import Rng, clamp, int8, multiplier, record, zero_point
from depthwise_cases import depthwise, random_depthwise

from wpconvert.graph.arithmetic import (
    multiply_double_rounding,
    rounding_doubling_high_multiply,
    rounding_shift_right,
    wrap_int32,
)
from wpconvert.graph.attributes import SAME, VALID
from wpconvert.reference import fixed_point
from wpconvert.reference.kernels.quantise_ops import quantise_float
from wpconvert.reference.window import window_geometry


def _strides(shape: Sequence[int], full: Sequence[int]) -> list[int]:
    strides, product = [], 1
    for dim, whole in zip(reversed(shape), reversed(full), strict=True):
        strides.append(product if dim == whole and dim != 1 else 0)
        product *= dim
    return strides[::-1]


def elementwise(rng: Rng, operation: str, name: str, shape: Sequence[int] | None = None, scalar: bool = False) -> bytes:
    full = list(shape) if shape else [int(rng.integers(1, 4)) for _ in range(3)] + [int(rng.integers(1, 30))]
    shapes = [list(full), list(full)]
    if shape is None:
        for own in shapes:
            for axis in range(4):
                if rng.random() < 0.2:
                    own[axis] = 1
        full = [max(a, b) for a, b in zip(*shapes, strict=True)]
    elif scalar:
        shapes[1] = [1, 1, 1, 1]
    x1, x2 = int8(rng, shapes[0]), int8(rng, shapes[1])
    points, out = (zero_point(rng), zero_point(rng)), zero_point(rng)
    low, high = clamp(rng) if shape is None else (-128, 127)
    a, b = x1.astype(np.int64) - points[0], x2.astype(np.int64) - points[1]
    extreme = shape is None and rng.random() < 0.2
    if operation == "mul":
        m = multiplier(rng, -31, 30) if extreme else multiplier(rng, -10, 0)
        raw = wrap_int32(multiply_double_rounding(a * b, *m) + out)
        fields = [*points, *m, out]
    else:
        m1 = (1 << 30, 0) if rng.random() < 0.6 else multiplier(rng, -31 if extreme else -6, 0)
        m2 = (1 << 30, 0) if rng.random() < 0.3 else multiplier(rng, -31 if extreme else -6, 0)
        m = multiplier(rng, -31 if extreme else -20, 0 if extreme else -16)
        first = multiply_double_rounding(a << 20, *m1)
        second = multiply_double_rounding(b << 20, *m2)
        raw = multiply_double_rounding(first + second if operation == "add" else first - second, *m) + out
        fields = [points[0], *m1, points[1], *m2, *m, out]
    y = np.clip(raw, low, high).astype(np.int8)
    dims = [*full, *_strides(shapes[0], full), *_strides(shapes[1], full)]
    return record(operation, name, [*dims, *fields, low, high], x1, x2, y)


def pool(
    rng: Rng,
    operation: str,
    name: str,
    shape: Sequence[int],
    window: Sequence[int],
    stride: Sequence[int],
    padding: str,
) -> bytes:
    x = int8(rng, shape)
    (height, width), pads = window_geometry(
        (shape[1], shape[2]), (window[0], window[1]), (stride[0], stride[1]), padding
    )
    if rng.random() < 0.2:
        x[:] = rng.choice([-128, 127])
    low, high = clamp(rng)
    y = np.empty((shape[0], height, width, shape[3]), dtype=np.int64)
    for i in range(height):
        for j in range(width):
            top, left = i * stride[0] - pads.top, j * stride[1] - pads.left
            part = x[:, max(top, 0) : top + window[0], max(left, 0) : left + window[1]].astype(np.int64)
            if operation == "max_pool":
                y[:, i, j] = part.max(axis=(1, 2))
            else:
                count, sums = part.shape[1] * part.shape[2], part.sum(axis=(1, 2))
                y[:, i, j] = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
    fields = [*shape, height, width, *window, *stride, pads.top, pads.left, low, high]
    return record(operation, name, fields, x, np.clip(y, low, high).astype(np.int8))


def random_pool(rng: Rng, operation: str, name: str) -> bytes:
    shape = (int(rng.integers(1, 3)), *(int(v) for v in rng.integers(1, 12, 2)), int(rng.integers(1, 40)))
    padding = str(rng.choice([SAME, VALID]))
    window = [int(rng.integers(1, 8)), int(rng.integers(1, 8))]
    if rng.random() < 0.1:
        shape = (1, int(rng.integers(1, 100)), int(rng.integers(1, 90)), int(rng.integers(1, 9)))
        if rng.random() < 0.3:
            shape = (1, 16, int(rng.integers(16, 18)), shape[3])  # the largest windows that are summed up in 16 bits
        window = list(shape[1:3])
    if padding == VALID:
        window = [min(w, d) for w, d in zip(window, shape[1:3], strict=True)]
    stride = [int(rng.integers(1, 4)), int(rng.integers(1, 4))]
    return pool(rng, operation, name, shape, window, stride, padding)


def reduction(rng: Rng, operation: str, name: str) -> bytes:
    kept, reduced = [int(v) for v in rng.integers(1, 5, 3)], [int(v) for v in rng.integers(1, 5, 3)]
    shape = [kept[0], reduced[0], kept[1], reduced[1], kept[2], reduced[2]]
    strides = [int(np.prod(shape[i + 1 :])) for i in range(6)]
    fields = [*kept, *strides[0::2], *reduced, *strides[1::2]]
    if operation == "max_f32":
        x = rng.normal(size=shape).astype(np.float32)
        x.reshape(-1)[rng.random(x.size) < 0.2] = rng.choice(np.array([np.nan, -np.inf, np.inf, 0.5], np.float32))
        best = np.fmax(x, np.finfo(np.float32).min).max(axis=(1, 3, 5))
        return record(operation, name, fields, x, best.astype(np.float32))
    values = int8(rng, shape)
    if operation == "max_s8":
        return record(operation, name, fields, values, values.max(axis=(1, 3, 5)))
    point, out, (m, shift) = zero_point(rng), zero_point(rng), multiplier(rng, -9, 1)
    if rng.random() < 0.2:
        m, shift = multiplier(rng, -31, 30)
    offset = point * int(np.prod(reduced))
    sums = wrap_int32(values.sum(axis=(1, 3, 5), dtype=np.int64) - offset)
    y = np.clip(wrap_int32(multiply_double_rounding(sums, m, shift) + out), -128, 127).astype(np.int8)
    return record(operation, name, [*fields, offset, m, shift, out], values, y)


def softmax(rng: Rng, name: str, rows: int, depth: int) -> bytes:
    x = int8(rng, (rows, depth))
    fixed, shift = int(rng.integers(1 << 30, 1 << 31)), int(rng.choice([22, 23, 20, int(rng.integers(0, 32))]))
    radius = (31 << 26) >> shift
    below = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    used = below <= radius
    scaled = rounding_doubling_high_multiply(np.where(used, -below, 0) << shift, fixed)
    exps = np.where(used, fixed_point.exp_on_negative_values(scaled, 5), 0)
    sums = rounding_shift_right(exps, 12).sum(axis=-1, keepdims=True)
    zeros = 32 - np.frexp(sums.astype(np.float64))[1].astype(np.int64)
    reciprocal = fixed_point.one_over_one_plus((sums << zeros) - (1 << 31))
    y = rounding_shift_right(rounding_doubling_high_multiply(exps, reciprocal), 12 - zeros + 31 - 8)
    return record("softmax", name, [rows, depth, fixed, shift, radius], x, np.clip(y - 128, -128, 127).astype(np.int8))


def lookup(rng: Rng, name: str) -> bytes:
    table, x = int8(rng, (256,)), int8(rng, (int(rng.integers(1, 100)),))
    return record("lookup", name, [], table, x, table[x.view(np.uint8)])


def view(rng: Rng, name: str) -> bytes:
    shape = [int(v) for v in rng.integers(1, 6, 5)]
    nbytes = int(rng.choice([1, 4]))
    x = rng.integers(-(1 << 31), 1 << 31, shape).astype(np.int32) if nbytes == 4 else int8(rng, shape)
    strides = [int(np.prod(shape[i + 1 :])) for i in range(5)]
    order = [int(v) for v in rng.permutation(5)] if rng.random() < 0.6 else list(range(5))
    steps = [int(rng.choice([1, 1, -1, 2])) for _ in range(5)]
    slices = [slice(None, None, step) for step in steps]
    y = x.transpose(order)[tuple(slices)]
    first = sum((shape[axis] - 1) * strides[axis] for axis, step in zip(order, steps, strict=True) if step < 0)
    fields = [*y.shape, *(strides[axis] * step for axis, step in zip(order, steps, strict=True)), first, nbytes]
    return record("view", name, fields, x, y)


def pad(rng: Rng, name: str) -> bytes:
    shape = [int(v) for v in rng.integers(1, 6, 4)]
    nbytes = int(rng.choice([1, 4]))
    x = rng.integers(-(1 << 31), 1 << 31, shape).astype(np.int32) if nbytes == 4 else int8(rng, shape)
    pads = rng.integers(0, 4, (4, 2)) * (rng.random((4, 1)) < rng.choice([0.3, 1.0]))
    fill = x.reshape(-1)[:1]
    return record("pad", name, [*shape, *pads[:, 0], *pads[:, 1], nbytes], fill, x,
                  np.pad(x, pads, constant_values=fill[0]))  # fmt: skip


def quantise(rng: Rng, name: str, count: int | None = None, scale: float | None = None) -> bytes:
    n = count or int(rng.integers(1, 300))
    step = np.float32(2.0 ** rng.uniform(-12, 4) if scale is None else scale)
    if count is None and rng.random() < 0.1:
        step = np.float32(2.0 ** rng.uniform(-140, 120))
    with np.errstate(all="ignore"):
        x = (step * rng.uniform(-200, 200, n)).astype(np.float32)
        if count is None:
            halves = ((rng.integers(-260, 260, n) + 0.5) * step).astype(np.float32)
            bits = halves.view(np.int32) + rng.integers(-3, 4, n).astype(np.int32)
            x = np.where(rng.random(n) < 0.5, bits.view(np.float32), x)
            special = rng.choice(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-42, 3e38], np.float32), n)
            x = np.where(rng.random(n) < 0.1, special, x).astype(np.float32)
        point = zero_point(rng)
        y = quantise_float(x, step, point)
    return record("quantise", name, [int(step.view(np.int32)), point], x, y)


def dequantise(rng: Rng, name: str, count: int | None = None) -> bytes:
    x, point = int8(rng, (count or int(rng.integers(1, 1200)),)), zero_point(rng)
    scale = np.float32(2.0 ** rng.uniform(-12, 4))
    y = (float(scale) * (x.astype(np.int64) - point)).astype(np.float32)
    return record("dequantise", name, [int(scale.view(np.int32)), point], x, y)


def transcendental(rng: Rng, operation: str, name: str) -> bytes:
    n = 64
    a = rng.integers(-(1 << 31), 1 << 31, n) >> rng.integers(0, 31, n)
    a[:3] = [0, -(1 << 31), (1 << 31) - 1]
    bits = 0
    if operation == "exp":
        bits = int(rng.integers(0, 6))
        a = np.minimum(a, 0)
        y = fixed_point.exp_on_negative_values(a, bits)
    elif operation == "one_over":
        a = np.abs(a) & 0x7FFFFFFF
        y = fixed_point.one_over_one_plus(a)
    else:
        y = fixed_point.logistic(a, 4) if operation == "logistic" else fixed_point.tanh(a, 4)
    return record(operation, name, [bits], a.astype(np.int32), y.astype(np.int32))


def _weighted() -> list[Callable[[Rng, str], bytes]]:
    makers: list[Callable[[Rng, str], bytes]] = [random_depthwise] * 12
    makers += [softmax_random, lookup, view, pad, quantise, quantise, dequantise]
    for make, operations in (
        (elementwise, ("add", "sub", "mul")),
        (random_pool, ("max_pool", "average_pool")),
        (reduction, ("mean", "max_s8", "max_f32")),
        (transcendental, ("exp", "one_over", "logistic", "tanh")),
    ):
        makers += [partial(_of, make, operation) for operation in operations]
    return makers


def _of(make: Callable[[Rng, str, str], bytes], operation: str, rng: Rng, name: str) -> bytes:
    return make(rng, operation, name)


def softmax_random(rng: Rng, name: str) -> bytes:
    return softmax(rng, name, int(rng.choice([1, 1, 2, 40])), int(rng.choice([1, 2, 10, 12, 255, 300, 1000])))


def speed_cases(rng: Rng) -> list[bytes]:
    """The calls that the documentation compares."""
    same, valid = SAME, VALID
    cases = [
        depthwise(rng, name, (1, h, w, c), stride=(s, s), padding=p)
        for name, h, w, c, s, p in (
            ("depthwise DS-CNN-L 25x10x276", 25, 10, 276, 1, same),
            ("depthwise DS-CNN-S 25x5x64", 25, 5, 64, 1, same),
            ("depthwise MobileNetV2 48x48x32", 48, 48, 32, 1, same),
            ("depthwise MobileNetV2 24x24x144", 24, 24, 144, 1, same),
            ("depthwise MobileNetV2 6x6x384", 6, 6, 384, 1, same),
            ("depthwise MobileNetV2 3x3x960", 3, 3, 960, 1, same),
            ("depthwise MobileNetV2 49x49x96 s2", 49, 49, 96, 2, valid),
            ("depthwise VWW 48x48x8", 48, 48, 8, 1, same),
            ("depthwise VWW 48x48x16 s2", 48, 48, 16, 2, same),
        )
    ]
    cases.append(depthwise(rng, "depthwise 5x5 12x12x64", (1, 12, 12, 64), (5, 5)))
    cases.append(depthwise(rng, "depthwise 10x8 49x40x1 x8 s2", (1, 49, 40, 1), (10, 8), 8, (2, 2)))
    cases.append(elementwise(rng, "add", "add 24x24x24", (1, 24, 24, 24)))
    cases.append(elementwise(rng, "add", "add 49x10 scalar", (1, 1, 1, 490), scalar=True))
    cases.append(elementwise(rng, "mul", "mul 16560", (1, 1, 1, 16560)))
    cases.append(pool(rng, "average_pool", "average pool 25x10x276 2x2", (1, 25, 10, 276), (2, 2), (2, 2), valid))
    cases.append(pool(rng, "average_pool", "average pool 25x5x64 all", (1, 25, 5, 64), (25, 5), (25, 5), valid))
    cases.append(pool(rng, "max_pool", "max pool 24x24x32 2x2", (1, 24, 24, 32), (2, 2), (2, 2), valid))
    for depth in (2, 10, 12, 1000):
        cases.append(softmax(rng, f"softmax {depth}", 1, depth))
    cases.append(quantise(rng, "quantise 49x10", 490, 0.05))
    cases.append(quantise(rng, "quantise 96x96x3", 96 * 96 * 3, 0.0039))
    cases.append(dequantise(rng, "dequantise 3x3x1280", 11520))
    cases.append(dequantise(rng, "dequantise 12", 12))
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--layers", action="store_true", help="the speed table's calls instead of random ones")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    if arguments.layers:
        cases = speed_cases(rng)
    else:
        makers = _weighted()
        cases = [makers[i % len(makers)](rng, f"case {i}") for i in range(arguments.count)]
    arguments.file.write_bytes(struct.pack("<2I", len(cases), int(arguments.layers)) + b"".join(cases))


if __name__ == "__main__":
    main()
