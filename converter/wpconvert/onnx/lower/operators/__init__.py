"""The ONNX operators that can be lowered; importing this package fills the table."""

from wpconvert.onnx.lower.operators import conv, dense, elementwise, move, pad, pool, reduce, unary
from wpconvert.onnx.lower.operators.move import MOVES, computing
from wpconvert.onnx.lower.operators.registry import INTERNAL, OPERATORS, TABLE, operator_names, supported
from wpconvert.onnx.lower.operators.unary import FIXED, bounds, follows, rescalable

OPERATOR_MODULES = (conv, dense, elementwise, move, pad, pool, reduce, unary)

__all__ = [
    "FIXED",
    "INTERNAL",
    "MOVES",
    "OPERATORS",
    "OPERATOR_MODULES",
    "TABLE",
    "bounds",
    "computing",
    "follows",
    "operator_names",
    "rescalable",
    "supported",
]
