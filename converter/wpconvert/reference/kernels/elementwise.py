"""ADD, SUB and MUL on int8, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wpconvert.errors import ModelError
from wpconvert.graph.arithmetic import (
    Int64Array,
    activation_range,
    multiply_double_rounding,
    quantise_multiplier,
    wrap_int32,
)
from wpconvert.graph.attributes import AddOptions, MulOptions, SubOptions
from wpconvert.graph.structure import Tensor
from wpconvert.graph.types import INT8, Values
from wpconvert.reference.registry import OpContext, expect_rank_at_most, expect_shape, expect_type, register

_LEFT_SHIFT = 20
"""Bits gained before the inputs of ADD and SUB are brought to a common scale."""

_MAX_RANK = 4

Multiplier = tuple[int, int]


Operands = tuple[Tensor, Tensor, Tensor]
"""Both inputs and the output of a binary operator."""


def _check_binary(context: OpContext) -> Operands:
    context.arity(2)
    first, second, result = context.tensor(0), context.tensor(1), context.output()
    for info in (first, second, result):
        expect_type(info, INT8)
        expect_rank_at_most(info, _MAX_RANK)
    try:
        shape = np.broadcast_shapes(first.shape, second.shape)
    except ValueError as error:
        raise ModelError(f"shapes {list(first.shape)} and {list(second.shape)} do not broadcast") from error
    expect_shape(result, shape)
    return first, second, result


def _clamp(result: Tensor, activation: str) -> tuple[int, int]:
    scale, zero_point = result.per_tensor()
    return activation_range(activation, scale, zero_point, np.dtype(np.int8))


@dataclass(frozen=True)
class SumPlan:
    """Rescaling of ADD and SUB; the tables hold both inputs' 256 values at the common scale, combined by `combine`."""

    combine: Callable[[Int64Array, Int64Array], Int64Array]
    first: Int64Array
    second: Int64Array
    output_multiplier: Multiplier
    output_zero_point: int
    activation: tuple[int, int]

    def run(self, x1: Values, x2: Values) -> Values:
        """The int8 sum or difference of int8 arrays."""
        both = self.combine(self.first[x1.astype(np.int16) + 128], self.second[x2.astype(np.int16) + 128])
        raw = multiply_double_rounding(both, *self.output_multiplier) + self.output_zero_point
        return np.clip(raw, *self.activation).astype(np.int8)


def _scaled_table(zero_point: int, multiplier: Multiplier) -> Int64Array:
    values = (np.arange(-128, 128, dtype=np.int64) - zero_point) << _LEFT_SHIFT
    return multiply_double_rounding(values, *multiplier)


def _below_one(real: float) -> Multiplier:
    """A multiplier that the kernels require to be below 1."""
    if not 0 < real < 1:
        raise ModelError(f"the ratio of scales is {real:g}, expected a number between 0 and 1")
    multiplier, shift = quantise_multiplier(real)
    if shift > 0:
        raise ModelError(f"the ratio of scales is {real:g}, which rounds to 1")
    return multiplier, shift


def sum_plan(
    operands: Operands, activation: str, combine: Callable[[Int64Array, Int64Array], Int64Array] = np.add
) -> SumPlan:
    """Ratios of the scales are taken in double precision."""
    first, second, result = operands
    (scale1, zero1), (scale2, zero2) = first.per_tensor(), second.per_tensor()
    output_scale, output_zero_point = result.per_tensor()
    common = 2.0 * float(max(scale1, scale2))
    return SumPlan(
        combine,
        _scaled_table(zero1, _below_one(float(scale1) / common)),
        _scaled_table(zero2, _below_one(float(scale2) / common)),
        _below_one(common / ((1 << _LEFT_SHIFT) * float(output_scale))),
        output_zero_point,
        _clamp(result, activation),
    )


def _add_plan(context: OpContext) -> SumPlan:
    """ADD: a common scale of twice the larger input scale."""
    return sum_plan(_check_binary(context), context.told(AddOptions).fused_activation_function)


def _sub_plan(context: OpContext) -> SumPlan:
    """SUB: the same scale."""
    return sum_plan(_check_binary(context), context.told(SubOptions).fused_activation_function, np.subtract)


@dataclass(frozen=True)
class MulPlan:
    """Rescaling of MUL."""

    zero_points: tuple[int, int]
    multiplier: Multiplier
    output_zero_point: int
    activation: tuple[int, int]

    def run(self, x1: Values, x2: Values) -> Values:
        """The int8 product of int8 arrays without their zero points."""
        product = (x1.astype(np.int64) - self.zero_points[0]) * (x2.astype(np.int64) - self.zero_points[1])
        raw = wrap_int32(multiply_double_rounding(product, *self.multiplier) + self.output_zero_point)
        return np.clip(raw, *self.activation).astype(np.int8)


def product_plan(operands: Operands, activation: str, rounding: str) -> MulPlan:
    """The ratio of the scales is taken as `rounding` says."""
    first, second, result = operands
    (scale1, zero1), (scale2, zero2) = first.per_tensor(), second.per_tensor()
    output_scale, output_zero_point = result.per_tensor()
    # LiteRT takes the ratio in float32, TFLM in double precision.
    ratio = float(scale1) * float(scale2) / float(output_scale)
    if rounding == "litert":
        ratio = float(scale1 * scale2 / output_scale)
    multiplier = quantise_multiplier(ratio)
    return MulPlan((zero1, zero2), multiplier, output_zero_point, _clamp(result, activation))


def _mul_plan(context: OpContext) -> MulPlan:
    operands = _check_binary(context)
    return product_plan(operands, context.told(MulOptions).fused_activation_function, context.rounding)


def _register_plan(name: str, plan: Callable[[OpContext], SumPlan | MulPlan]) -> None:
    def run(context: OpContext) -> list[Values]:
        return [context.cached(plan).run(context.value(0), context.value(1))]

    register(name, check=plan)(run)


_register_plan("ADD", _add_plan)
_register_plan("SUB", _sub_plan)
_register_plan("MUL", _mul_plan)
