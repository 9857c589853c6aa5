"""WP_ADD and WP_MUL: ADD and MUL with a stored constant (docs/FORMAT.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError
from wpconvert.graph.custom.compressed import Decoded, decode_constant
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.graph.types import INT8, UINT8, Values
from wpconvert.reference.kernels.elementwise import (
    MulPlan,
    Operands,
    SumPlan,
    product_plan,
    run_product,
    run_sum,
    sum_plan,
)
from wpconvert.reference.registry import OpContext, expect_shape, expect_type, register


@dataclass(frozen=True)
class _AddPlan:
    """The decoded constant, with the activation's shape where that is not [repeats, elements], and the rescaling."""

    constant: NDArray[np.int8]
    rescale: SumPlan


@dataclass(frozen=True)
class _MulPlan:
    constant: NDArray[np.int8]
    rescale: MulPlan


def _decode(context: OpContext) -> tuple[Decoded, Operands]:
    context.arity(2)
    x, blob, y = context.tensor(0), context.tensor(1), context.output()
    expect_type(x, INT8)
    expect_type(blob, UINT8)
    expect_type(y, INT8)
    expect_shape(y, x.shape)
    raw = context.constant(1, "the weight blob").reshape(-1)
    stored = decode_constant(BUILTIN_NAMES[context.operator.kind], context.operator.options.tobytes(), raw)
    if y.size % stored.weights.size:
        raise ModelError(f"a constant of {stored.weights.size} elements does not fit an output of {y.size}")
    return stored, (x, replace(blob, dtype=INT8, shape=stored.weights.shape), y)


def _add_plan(context: OpContext) -> _AddPlan:
    stored, operands = _decode(context)
    return _AddPlan(stored.weights.reshape(-1), sum_plan(operands, stored.options.activation))


def _mul_plan(context: OpContext) -> _MulPlan:
    stored, operands = _decode(context)
    return _MulPlan(stored.weights.reshape(-1), product_plan(operands, stored.options.activation, context.rounding))


def _slices(context: OpContext, constant: NDArray[np.int8]) -> Values:
    """The activation as [repeats, elements of the constant]."""
    return context.value(0).reshape(-1, constant.size)


@register("WP_ADD", check=_add_plan)
def wp_add(context: OpContext) -> list[Values]:
    """int8 sum with a stored constant."""
    plan = context.cached(_add_plan)
    (y,) = run_sum(plan.rescale, _slices(context, plan.constant), plan.constant, np.add)
    return [y.reshape(context.output().shape)]


@register("WP_MUL", check=_mul_plan)
def wp_mul(context: OpContext) -> list[Values]:
    """int8 product with a stored constant."""
    plan = context.cached(_mul_plan)
    (y,) = run_product(plan.rescale, _slices(context, plan.constant), plan.constant)
    return [y.reshape(context.output().shape)]
