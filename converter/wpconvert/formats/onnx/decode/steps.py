"""Steps: distances between the weights that are stored, the others being the most common one.

What RLE and dCSR have in common. A distance is a step + 1, so that no two elements are at one place. Distances that are
too far for a step are covered by elements that are the fill; the end counts as an element, but is not stored.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError
from wpconvert.formats.onnx.decode.bitmap import most_common
from wpconvert.formats.onnx.decode.decoder import Array, bits_of

VALUES = """
    size = Shape(values)
    elements = Sub(size, second)
    fill = Slice(values, first, second)
    others = Slice(values, second, size)
"""
"""`fill`, `others` and their number `elements`, from `values`."""


def placed(count: str) -> str:
    """The weight from `fill`, `others` and `step`, int32, of which there are so many, int64[1], or more."""
    return f"""
    int_one = Constant<value = int32 {{1}}>()
    real = Slice(step, first, {count})
    distance = Add(real, int_one)
    reached = CumSum(distance, zero)
    position = Sub(reached, int_one)
    empty = Expand(fill, total)
    full = ScatterElements<axis = 0>(empty, position, others)
    weight = Reshape(full, shape)
    """


def steps_of(flat: Array, reach: int) -> tuple[NDArray[np.uint8], Array]:
    """The steps of a vector, each below `reach`, and the fill with the elements that they lead to."""
    fill = most_common(flat)
    at = np.flatnonzero(bits_of(flat) != bits_of(fill))
    fillers, rest = np.divmod(np.diff(at, prepend=-1, append=len(flat)) - 1, reach)
    ends = np.cumsum(fillers + 1)
    steps = np.full(int(ends[-1]), reach - 1, np.uint8)
    steps[ends - 1] = rest
    stored = np.full(len(steps), fill)
    stored[ends[:-1]] = flat[at]
    return steps[:-1], stored


def unfolded(what: str, steps: NDArray[np.uint8], values: Array, shape: tuple[int, ...], reach: int) -> Array:
    """The tensor; ModelError when its steps do not end within reach of its end. what: the operator, for messages."""
    position = np.cumsum(steps.astype(np.int64) + 1) - 1
    total = math.prod(shape)
    last = int(position[-1]) if len(position) else -1
    if not 1 <= total - last <= reach:
        raise ModelError(f"{what}: the steps end at element {last} of {total}, expected one of the last {reach}")
    out = np.full(total, values[0])
    out[position] = values[1:]
    return out.reshape(shape)
