"""The fixed-point arithmetic of TFLM's integer kernels, on tensors: `wpconvert.graph.arithmetic` defines it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wpconvert.graph.arithmetic import output_multipliers, quantise_multiplier

# Bits that ADD gains before it brings its inputs to a common scale.
_LEFT_SHIFT = 20


def multiply(x: Tensor, multiplier: Tensor, shift: Tensor) -> Tensor:
    """x · multiplier · 2^(shift − 31) for int64 tensors of int32 values, rounded twice as the kernels do."""
    if (shift > 0).any():
        x = x << shift.clamp_min(0)
    # In place: these tensors are large, and passes over memory take the time.
    high = (x * multiplier).add_(1 << 30).bitwise_right_shift_(31)
    exponent = (-shift).clamp_min(0)
    half = (torch.ones_like(exponent) << exponent) >> 1
    # Halves away from zero; the sign only matters where something is shifted out.
    sign = (high >> 63).bitwise_and_(-(half > 0).long())
    return high.add_(half).add_(sign).bitwise_right_shift_(exponent)


def requantise(
    sums: Tensor, input_scale: float, scales: NDArray[np.float32], output_scale: float, zero_point: int
) -> Tensor:
    """Outputs of a convolution or linear layer, not yet clamped, from int64 accumulators [n, channels, …]."""
    multipliers, shifts = output_multipliers(input_scale, scales, output_scale)
    shape = (-1, *[1] * (sums.dim() - 2))
    factors = (torch.from_numpy(part.astype(np.int64)).to(sums.device).reshape(shape) for part in (multipliers, shifts))
    return multiply(sums, *factors) + zero_point


def add(first: Tensor, second: Tensor, first_scale: float, second_scale: float, output_scale: float) -> Tensor:
    """ADD without its zero points and clamp, for int64 tensors of q − zero point; scales are values of float32."""
    common = 2.0 * max(first_scale, second_scale)
    total = _scaled(first << _LEFT_SHIFT, first_scale / common) + _scaled(second << _LEFT_SHIFT, second_scale / common)
    return _scaled(total, common / ((1 << _LEFT_SHIFT) * output_scale))


def _scaled(x: Tensor, factor: float) -> Tensor:
    multiplier, shift = (torch.tensor(part, device=x.device) for part in quantise_multiplier(factor))
    return multiply(x, multiplier, shift)


def average(stored: Tensor, count: int) -> Tensor:
    """The mean of sums of `count` stored int8 values, whole floats, rounded half away from zero."""
    return stored.sign() * torch.floor((stored.abs() + count // 2) / count)
