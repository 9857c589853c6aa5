"""Functions of one value in float32, between two quantised tensors: a table of 256 outputs stands for any of them.

An activation with several nodes (`x · Sigmoid(x)`), the steps of a normalisation before the first QuantizeLinear, or an
operator that TFLite does not have: all are functions of one int8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from wpconvert.errors import UnsupportedError
from wpconvert.formats.onnx_graphs import DEFAULT_DOMAINS
from wpconvert.graph.types import Shape
from wpconvert.lowering.folding import evaluate
from wpconvert.lowering.network import Activation, Constant, Operand, Quant

Reals = NDArray[np.float32]
Table = NDArray[np.int8]

CURVED = frozenset(
    {"Abs", "Add", "And", "Cast", "Ceil", "Celu", "Clip", "Cos", "Div", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu"}
    | {"Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Min"}
    | {"Mish", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid"}
    | {"Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tanh", "ThresholdedRelu", "Where"}
)
"""Operators on each element alone."""

_EVERY = np.arange(-128, 128)
_BETWEEN = np.arange(-128, 127.25, 0.25, dtype=np.float32)
"""Each integer, and three numbers between it and the next."""

_PROBES = np.array([0.0, 1.0, 2.0, -1.0, 255.0], np.float32)
_AFFINE_TOLERANCE = 1e-4
"""How far, of its largest value, a function may be off a straight line that float32 rounding has bent."""


@dataclass(eq=False)
class Curve:
    """A function of an activation's elements; `compute` gives the values for float32 arrays of one axis."""

    source: Activation
    compute: Callable[[Reals], Reals]
    _known: dict[bytes, Reals] = field(default_factory=dict)

    def function(self, x: Reals) -> Reals:
        """`compute`, once for the same values: functions of functions would ask for them again and again."""
        key = x.tobytes()
        if key not in self._known:
            self._known[key] = self.compute(x)
        return self._known[key]

    def values(self) -> Reals:
        """Its values for int8 −128 … 127."""
        quant = self.source.quant
        return self.function(quant.scale * (_EVERY - quant.zero_point).astype(np.float32)).astype(np.float32)

    def table(self, quant: Quant) -> Table:
        """The values quantised as QuantizeLinear does."""
        return quant.rounded(self.values())

    def own_quant(self) -> Quant:
        """The finest quantisation that holds every finite value, and zero."""
        values = self.values()
        values = values[np.isfinite(values)]
        low, high = float(values.min(initial=0)), float(values.max(initial=0))
        scale = np.float32((high - low) / 255 or 1.0)
        return Quant(scale, int(np.clip(-128 - np.rint(low / float(scale)), -128, 127)))

    def source_quant(self, quant: Quant) -> Quant:
        """The quantisation of a real input that gives the values' integers: for functions a · x + b."""
        base, rise, *probed = (float(value) for value in self.function(_PROBES))
        slope = rise - base
        expected = base + slope * _PROBES[2:].astype(np.float64)
        worst = float(np.abs(np.array(probed) - expected).max(initial=0))
        if not worst <= _AFFINE_TOLERANCE * float(np.abs(expected).max(initial=0)) or slope <= 0:
            raise self._not_affine()
        scale = np.float32(float(quant.scale) / slope)
        zero_point = int(np.rint(quant.zero_point + base / float(quant.scale)))
        # Rounding may have moved it over an edge by one.
        zero_point = min(max(zero_point, -128), 127) if -129 <= zero_point <= 128 else zero_point
        if not -128 <= zero_point <= 127 or not np.isfinite(scale) or scale <= 0:
            raise UnsupportedError(
                f"the input {self.source.name!r} is scaled and shifted to scale {float(scale):g} and zero point "
                f"{zero_point}, which do not fit int8"
            )
        found = Quant(scale, zero_point)
        if not self._bears_rounding(found, quant):
            raise self._not_affine()
        return found

    def _bears_rounding(self, source: Quant, quant: Quant) -> bool:
        """Whether values are within a step of `quant` when their arguments are rounded to `source` first."""
        exact = source.scale * (_BETWEEN - source.zero_point)
        rounded = source.scale * (np.rint(_BETWEEN) - source.zero_point)
        first, second = (quant.rounded(self.function(x)).astype(np.int16) for x in (exact, rounded))
        return int(np.abs(first - second).max()) <= 1

    def _not_affine(self) -> UnsupportedError:
        return UnsupportedError(
            f"the input {self.source.name!r} is used in float32 before it is quantised; supported: operators "
            "that only scale and shift it"
        )


def is_identity(table: Table) -> bool:
    """Every integer stands for itself."""
    return bool((table == _EVERY).all())


def curve_of(
    proto: onnx.NodeProto, inputs: list[Operand | None], known: dict[str, Curve], opset: int, where: str
) -> Curve | None:
    """What a node computes, where that is a function of one activation; `known` are the functions by name."""
    if proto.op_type not in CURVED or proto.domain not in DEFAULT_DOMAINS:
        return None
    parts: list[Curve | Constant | None] = []
    for name, value in zip(proto.input, inputs, strict=True):
        if isinstance(value, Activation):
            parts.append(known[name] if name in known else Curve(value, _itself))
        elif value is not None and value.values.size != 1:
            return None
        else:
            parts.append(value)
    sources = {part.source for part in parts if isinstance(part, Curve)}
    if len(sources) != 1 or _grows(inputs):
        return None
    return Curve(sources.pop(), partial(_compose, proto, parts, opset, where))


def _grows(inputs: list[Operand | None]) -> bool:
    """Broadcasting gives the result another shape."""
    shapes: set[Shape] = {value.shape for value in inputs if isinstance(value, Activation)}
    ranks = [len(value.shape) for value in inputs if isinstance(value, Constant)]
    return len(shapes) != 1 or max(ranks, default=0) > len(shapes.pop())


def _itself(x: Reals) -> Reals:
    return x


def _compose(proto: onnx.NodeProto, parts: list[Curve | Constant | None], opset: int, where: str, x: Reals) -> Reals:
    values: list[NDArray[Any] | None] = []
    for part in parts:
        if isinstance(part, Curve):
            values.append(part.function(x))
        else:
            values.append(None if part is None else _scalar(part))
    result = evaluate(proto, values, opset, where)
    # Conditions stay what they are.
    return result.astype(np.float32) if result.dtype.kind == "f" else result


def _scalar(constant: Constant) -> NDArray[Any]:
    values = constant.values if constant.scales is None else constant.real().astype(np.float32)
    return values.reshape(())
