"""SOFTMAX on int8."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import UnsupportedError
from wpconvert.graph.arithmetic import quantise_multiplier, rounding_doubling_high_multiply, rounding_shift_right
from wpconvert.graph.attributes import SoftmaxOptions
from wpconvert.graph.types import Values
from wpconvert.reference import fixed_point
from wpconvert.reference.registry import OpContext, expect_scale, register

_DIFF_INTEGER_BITS = 5
_SUM_INTEGER_BITS = 12


@dataclass(frozen=True)
class SoftmaxTables:
    """exp of a difference d ≤ 0 to the row's maximum, indexed by −d in 0 … 255.

    `exps` is exp(d) in Q0 and `addends` the same in Q12; both are 0 where the kernel skips the element.
    """

    exps: NDArray[np.int64]
    addends: NDArray[np.int64]


def _tables(context: OpContext) -> SoftmaxTables:
    x, y = context.unary()
    if not x.shape:
        raise UnsupportedError(f"{x} is a scalar")
    expect_scale(y, 256, -128)
    beta = float(np.float32(context.told(SoftmaxOptions).beta))
    if not (math.isfinite(beta) and beta > 0):
        raise UnsupportedError(f"beta is {beta:g}, expected a positive number")
    real = min(beta * float(x.per_tensor()[0]) * (1 << (31 - _DIFF_INTEGER_BITS)), (1 << 31) - 1.0)
    if real <= 1.0:
        raise UnsupportedError(f"{x}: scale times beta is below 2^-26")
    # The cap above rounds to a shift of 31, which quantise_multiplier refuses as too large for an int32.
    multiplier, shift = quantise_multiplier(real / 2)
    shift += 1
    radius = (((1 << _DIFF_INTEGER_BITS) - 1) << (31 - _DIFF_INTEGER_BITS)) >> shift
    difference = -np.arange(256, dtype=np.int64)
    used = difference >= -radius
    rescaled = rounding_doubling_high_multiply(np.where(used, difference, 0) << shift, multiplier)
    exps = np.where(used, fixed_point.exp_on_negative_values(rescaled, _DIFF_INTEGER_BITS), 0)
    return SoftmaxTables(exps, rounding_shift_right(exps, _SUM_INTEGER_BITS))


@register("SOFTMAX", check=_tables)
def softmax(context: OpContext) -> list[Values]:
    """exp(x − max) over its sum along the last axis."""
    tables = context.cached(_tables)
    x = context.value(0).astype(np.int64)
    below = x.max(axis=-1, keepdims=True) - x
    sums = tables.addends[below].sum(axis=-1, keepdims=True)
    if (sums >= 1 << 31).any():
        raise UnsupportedError(f"{x.shape[-1]} classes: the sum of the exponentials overflows the kernel's 32 bits")
    # The sum is at least 1, so it has at most 12 leading zeros; they normalise it to [1, 2) in Q0.
    leading_zeros = 32 - np.frexp(sums.astype(np.float64))[1].astype(np.int64)
    reciprocal = fixed_point.one_over_one_plus((sums << leading_zeros) - (1 << 31))
    product = rounding_doubling_high_multiply(tables.exps[below], reciprocal)
    scaled = rounding_shift_right(product, _SUM_INTEGER_BITS - leading_zeros + 31 - 8)
    return [np.clip(scaled - 128, -128, 127).astype(np.int8)]
