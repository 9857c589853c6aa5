"""WP_ADD and WP_MUL: ADD and MUL with a stored constant (docs/FORMAT.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError
from wpconvert.graph.custom.compressed import Decoded, decode_constant
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.graph.types import INT8, UINT8, Values
from wpconvert.reference.kernels.elementwise import MulPlan, Operands, SumPlan, product_plan, sum_plan
from wpconvert.reference.registry import OpContext, expect_shape, expect_type, register


@dataclass(frozen=True)
class _Plan:
    """The decoded constant, int8[elements], and the rescaling with it."""

    constant: NDArray[np.int8]
    rescale: SumPlan | MulPlan


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


def _add_plan(context: OpContext) -> _Plan:
    stored, operands = _decode(context)
    return _Plan(stored.weights.reshape(-1), sum_plan(operands, stored.options.activation))


def _mul_plan(context: OpContext) -> _Plan:
    stored, operands = _decode(context)
    return _Plan(stored.weights.reshape(-1), product_plan(operands, stored.options.activation, context.rounding))


def _run(context: OpContext, plan: _Plan) -> list[Values]:
    """The activation, as [repeats, elements of the constant], with the constant."""
    x = context.value(0).reshape(-1, plan.constant.size)
    return [plan.rescale.run(x, plan.constant).reshape(context.output().shape)]


@register("WP_ADD", check=_add_plan)
def wp_add(context: OpContext) -> list[Values]:
    """int8 sum with a stored constant."""
    return _run(context, context.cached(_add_plan))


@register("WP_MUL", check=_mul_plan)
def wp_mul(context: OpContext) -> list[Values]:
    """int8 product with a stored constant."""
    return _run(context, context.cached(_mul_plan))
