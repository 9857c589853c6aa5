"""What a method hands to an exporter: the integers of a layer, and the grids of the tensors around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Grid:
    """Of an int8 tensor: real = scale · (q − zero point), q in −128…127; the scale is a float32's value."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class IntegerLayer:
    """A convolution or linear layer with what follows it folded in.

    `weights` int8 in PyTorch's layout, [out, in / groups, kh, kw] or [out, in]; real weight = scale of its output
    channel, `scales` float64 [out], times it. `bias` float64 [out], real: it is stored as int32 in steps of input scale
    times weight scale. `input` and `output`: the grids of the tensors that the layer reads and writes, activation
    included; None leaves them as calibration found them.
    """

    weights: NDArray[np.int8]
    scales: NDArray[np.float64]
    bias: NDArray[np.float64]
    input: Grid | None = None
    output: Grid | None = None


def bias_steps(
    bias: NDArray[np.float64], input_scale: float, scales: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The stored bias, int32 [out], and its scales, float32 [out]: those of the input and the weights multiplied."""
    steps = np.float32(input_scale) * scales.astype(np.float32)
    limits = np.iinfo(np.int32)
    stored = np.clip(np.rint(bias / steps.astype(np.float64)), limits.min, limits.max)
    return stored.astype(np.int32), steps
