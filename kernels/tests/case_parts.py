"""What the generators of element-wise cases share: the format of a case and random parameters."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
OPERATIONS = (
    "depthwise", "add", "sub", "mul", "max_pool", "average_pool", "mean", "max_s8", "max_f32", "softmax", "lookup",
    "view", "pad", "quantise", "dequantise", "exp", "one_over", "logistic", "tanh",
)  # fmt: skip


def record(operation: str, name: str, fields: Sequence[int], *parts: NDArray[Any]) -> bytes:
    """One case; the last part is the expected output."""
    data = [np.ascontiguousarray(part).tobytes() for part in parts]
    head = struct.pack("<3I48s", OPERATIONS.index(operation), len(fields), len(data), name.encode()[:47])
    sizes = struct.pack(f"<{len(data)}I", *map(len, data))
    return head + struct.pack(f"<{len(fields)}i", *(int(f) for f in fields)) + sizes + b"".join(data)


def int8(rng: Rng, shape: Sequence[int]) -> NDArray[np.int8]:
    """Uniform values; sometimes only the extremes."""
    if rng.random() < 0.1:
        return rng.choice(np.array([-128, 127], dtype=np.int8), tuple(shape))
    return rng.integers(-128, 128, tuple(shape), dtype=np.int8)


def few_values(rng: Rng, shape: Sequence[int], channel_axis: int) -> NDArray[np.int8]:
    """Weights of at most 2^bits distinct values, 1 to 7 bits: consecutive ones, any, or any in each channel."""
    count = 1 << int(rng.integers(1, 8))
    codes = rng.integers(0, count, tuple(shape))
    if rng.random() < 0.4:
        first = -count // 2 if rng.random() < 0.5 else int(rng.integers(-128, 129 - count))
        return np.asarray(codes + first, np.int8)
    channels = shape[channel_axis] if rng.random() < 0.5 else 1
    tables = np.stack([rng.permutation(256)[:count] for _ in range(channels)]).astype(np.uint8).view(np.int8)
    axes = [1] * len(shape)
    axes[channel_axis] = channels
    return np.asarray(tables[np.arange(channels).reshape(axes), codes])


def zero_point(rng: Rng) -> int:
    return int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))]))


def clamp(rng: Rng) -> tuple[int, int]:
    if rng.random() < 0.6:
        return -128, 127
    low, high = sorted(int(v) for v in rng.integers(-128, 128, 2))
    return low, high


def multiplier(rng: Rng, low: int, high: int) -> tuple[int, int]:
    """A normalised multiplier, now and then any, and a shift in [low, high]."""
    value = int(rng.integers(1 << 30, 1 << 31) if rng.random() < 0.9 else rng.integers(0, 1 << 31))
    return int(rng.choice([1 << 30, (1 << 31) - 1, value, value])), int(rng.integers(low, high + 1))
