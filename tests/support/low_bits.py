"""Models of few distinct weights, made from any int8 model: what low-bit quantisation leaves in int8 tensors."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.weights import rewritable_weights


class Levels(Enum):
    """Where the 15 levels of a 4-bit weight lie."""

    INTEGERS = "−7 to 7"
    TENSOR = "equally spaced up to the largest weight of the tensor"
    CHANNEL = "equally spaced up to the largest weight of each channel"


def with_levels(data: bytes, levels: Levels) -> bytes:
    """A `.tflite` file with every int8 weight of convolutions and fully connected layers rounded to 4-bit levels."""
    model = parse(data)
    for weight in rewritable_weights(model):
        channel_axis = 0 if weight.row_dims == 1 else weight.values.ndim - 1
        rounded = _rounded(weight.values, levels, channel_axis)
        model.root.buffers[weight.storage].data = rounded.reshape(-1).view(np.uint8)
    return serialise(model)


def _rounded(values: NDArray[np.int8], levels: Levels, channel_axis: int) -> NDArray[np.int8]:
    magnitude = np.abs(values.astype(np.int64))
    others = tuple(axis for axis in range(values.ndim) if axis != channel_axis)
    largest = magnitude.max(axis=others if levels is Levels.CHANNEL else None, keepdims=True)
    largest = np.minimum(np.maximum(largest, 1), 127)
    level = np.minimum((magnitude * 14 + largest) // (2 * largest), 7)
    spaced = level if levels is Levels.INTEGERS else (level * 2 * largest + 7) // 14
    return np.asarray(np.sign(values) * spaced, np.int8)
