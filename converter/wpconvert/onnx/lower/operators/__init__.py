"""The ONNX operators that can be lowered; importing this package fills the table."""

from wpconvert.onnx.lower.operators import conv, dense, elementwise, move, pad, pool, reduce, unary
from wpconvert.onnx.lower.operators.move import computing
from wpconvert.onnx.lower.operators.registry import OPERATORS, supported
from wpconvert.onnx.lower.operators.unary import bounds

OPERATOR_MODULES = (conv, dense, elementwise, move, pad, pool, reduce, unary)

__all__ = ["OPERATORS", "OPERATOR_MODULES", "bounds", "computing", "supported"]
