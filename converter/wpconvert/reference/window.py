"""Where the windows of convolutions and pools lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.attributes import SAME, VALID
from wpconvert.graph.types import Values, element_count
from wpconvert.graph.windows import extent_of, surplus

SCRATCH_LIMIT = 1 << 31
"""Bytes that a temporary array may take."""


@dataclass(frozen=True)
class Pads:
    """Rows and columns of padding on the four sides."""

    top: int
    bottom: int
    left: int
    right: int


def _axis(size: int, window: int, stride: int, dilation: int, padding: str) -> tuple[int, int, int]:
    """(output size, padding before, padding after) along one axis."""
    if stride <= 0 or dilation <= 0 or window <= 0:
        raise ModelError(f"window {window}, stride {stride}, dilation {dilation}: expected positive numbers")
    extent = extent_of(window, dilation)
    if padding == SAME:
        output = -(-size // stride)
    elif padding == VALID:
        output = (size + stride - extent) // stride
    else:
        raise ModelError(f"padding {padding}, expected SAME or VALID")
    if output <= 0:
        raise ModelError(f"a window of {extent} does not fit {size}")
    total = surplus(size, output, window, stride, dilation)
    return output, total // 2, total - total // 2


def window_geometry(
    size: tuple[int, int],
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    dilation: tuple[int, int] = (1, 1),
) -> tuple[tuple[int, int], Pads]:
    """Output (height, width) and padding of a sliding window; all pairs are (height, width).

    `padding` is SAME or VALID; the odd row or column of SAME padding comes last. Raises
    ModelError for non-positive parameters and for windows that do not fit.
    """
    height, top, bottom = _axis(size[0], window[0], strides[0], dilation[0], padding)
    width, left, right = _axis(size[1], window[1], strides[1], dilation[1], padding)
    return (height, width), Pads(top, bottom, left, right)


def expect_scratch(what: str, nbytes: int) -> None:
    """Raise UnsupportedError when a temporary array would exceed SCRATCH_LIMIT."""
    if nbytes > SCRATCH_LIMIT:
        raise UnsupportedError(f"{what} takes {nbytes} bytes, more than {SCRATCH_LIMIT}")


def padded_shape(shape: Sequence[int], pads: Pads) -> tuple[int, int, int, int]:
    """The shape [batch, height, width, channels] of an image with padding."""
    batch, height, width, channels = shape
    return batch, height + pads.top + pads.bottom, width + pads.left + pads.right, channels


def pad_image(x: Values, pads: Pads, value: float = 0) -> Values:
    """x [batch, height, width, channels] with `value` around it; UnsupportedError above SCRATCH_LIMIT."""
    if pads == Pads(0, 0, 0, 0):
        return x
    shape = padded_shape(x.shape, pads)
    expect_scratch("padding the input", element_count(shape) * x.itemsize)
    _, height, width, _ = x.shape
    padded = np.full(shape, value, dtype=x.dtype)
    padded[:, pads.top : pads.top + height, pads.left : pads.left + width] = x
    return padded
