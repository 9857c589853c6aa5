"""The ONNX operators that can be lowered; importing this package fills the table."""

from wpconvert.lowering.operators import conv, dense, elementwise, move, normalise, pad, pool, reduce, slices, unary
from wpconvert.lowering.operators.elementwise import is_per_channel, quotient
from wpconvert.lowering.operators.move import MOVES, computing
from wpconvert.lowering.operators.pool import count_extra
from wpconvert.lowering.operators.registry import INTERNAL, OPERATORS, TABLE, operator_names, supported
from wpconvert.lowering.operators.slices import parts_of
from wpconvert.lowering.operators.unary import FIXED, bounds, follows, rescalable

OPERATOR_MODULES = (conv, dense, elementwise, move, normalise, pad, pool, reduce, slices, unary)

__all__ = [
    "FIXED",
    "INTERNAL",
    "MOVES",
    "OPERATORS",
    "OPERATOR_MODULES",
    "TABLE",
    "bounds",
    "computing",
    "count_extra",
    "follows",
    "is_per_channel",
    "operator_names",
    "parts_of",
    "quotient",
    "rescalable",
    "supported",
]
