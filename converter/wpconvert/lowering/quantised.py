"""Scales and zero points: QuantizeLinear, DequantizeLinear and the operators that carry their own (QOperator form)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.network import Activation, Constant, Operand, Quant

_UINT8_SHIFT = 128


def _scales(scale: Operand | None, where: str) -> NDArray[np.float32]:
    if not isinstance(scale, Constant):
        raise UnsupportedError(f"{where}: its scale is not a constant")
    values = np.asarray(scale.values).astype(np.float32).reshape(-1)
    if values.size == 0 or scale.values.ndim > 1:
        raise UnsupportedError(f"{where}: scales of shape {list(scale.shape)}, expected a scalar or one per channel")
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ModelError(f"{where}: a scale is not a positive finite number")
    return values


def _zero_points(zero_point: Operand | None, dtype: str, where: str) -> tuple[NDArray[np.int64], str]:
    """Zero points and the name of their type; a missing zero point is a 0 of type `dtype`."""
    if zero_point is None:
        return np.zeros(1, np.int64), dtype
    if not isinstance(zero_point, Constant):
        raise UnsupportedError(f"{where}: its zero point is not a constant")
    return zero_point.values.astype(np.int64).reshape(-1), zero_point.values.dtype.name


def output_type(attributes: Attributes, where: str) -> str:
    """The type that a QuantizeLinear without zero point gives its output: from opset 21 on that of the attribute."""
    kind = attributes.integer("output_dtype", 0) or onnx.TensorProto.UINT8
    try:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind)).name
    except KeyError as error:
        raise ModelError(f"{where}: attribute 'output_dtype' is {kind}, which is not a type") from error


def activation_quant(scale: Operand | None, zero_point: Operand | None, dtype: str, where: str) -> tuple[Quant, str]:
    """The quantisation of an activation shifted to int8, and its type in the ONNX model: `int8` or `uint8`.

    dtype: the type where the zero point, being 0, is left out.
    """
    scales, (points, dtype) = _scales(scale, where), _zero_points(zero_point, dtype, where)
    if dtype not in ("int8", "uint8"):
        raise UnsupportedError(f"{where}: activations of type {dtype}; supported: int8 and uint8")
    if scales.size != 1 or points.size != 1:
        raise UnsupportedError(f"{where}: an activation has {scales.size} scales, expected one")
    shift = _UINT8_SHIFT if dtype == "uint8" else 0
    return Quant(np.float32(scales[0]), int(points[0]) - shift), dtype


def set_quant(activation: Activation, quant: Quant, where: str) -> None:
    """Tell an activation its quantisation; UnsupportedError when it has another one already."""
    if activation.cell.quant is None:
        activation.cell.quant = quant
    elif activation.cell.quant != quant:
        raise UnsupportedError(
            f"{where}: reads {activation.name!r} with {quant}, but it is quantised with {activation.cell.quant}"
        )


def quantised_constant(
    constant: Constant, scale: Operand | None, zero_point: Operand | None, axis: int, where: str
) -> Constant:
    """Integers that get their scales: one, or one per slice of `axis`."""
    scales, (points, _) = _scales(scale, where), _zero_points(zero_point, constant.values.dtype.name, where)
    if constant.values.dtype.kind == "f" or constant.scales is not None:
        raise ModelError(f"{where}: {constant.name!r} is not an integer tensor")
    return _with_scales(constant, scales, points, axis, where)


def _with_scales(
    constant: Constant, scales: NDArray[np.float32], points: NDArray[np.int64], axis: int, where: str
) -> Constant:
    """The constant with scales and zero points whose numbers fit the length of its `axis`."""
    if scales.size == points.size == 1:
        return Constant(constant.name, constant.values, scales, points)
    rank = constant.values.ndim
    if not -max(rank, 1) <= axis < max(rank, 1):
        raise ModelError(f"{where}: axis {axis} of {constant.name!r}, which has {rank} dimensions")
    axis = axis % max(rank, 1)
    for parameters in (scales, points):
        if parameters.size not in (1, constant.shape[axis] if rank else 1):
            raise ModelError(
                f"{where}: {parameters.size} scales or zero points along axis {axis} of {constant.name!r}, "
                f"which has shape {list(constant.shape)}"
            )
    return Constant(constant.name, constant.values, scales, points, axis)


def quantise_constant(
    constant: Constant, scale: Operand | None, zero_point: Operand | None, attributes: Attributes, where: str
) -> Constant:
    """QuantizeLinear of constant real numbers: integers without their scales."""
    axis, dtype = attributes.integer("axis", 1), output_type(attributes, where)
    scales, (points, dtype) = _scales(scale, where), _zero_points(zero_point, dtype, where)
    if dtype not in ("int8", "uint8"):
        raise UnsupportedError(f"{where}: quantises to {dtype}; supported: int8 and uint8")
    shaped = _with_scales(constant, scales, points, axis, where)
    # ONNX rounds halves to even.
    steps = np.rint(constant.values.astype(np.float32) / shaped.spread(scales)) + shaped.spread(points)
    limits = np.iinfo(dtype)
    return Constant(constant.name, np.clip(steps, limits.min, limits.max).astype(dtype))


@dataclass(frozen=True)
class Form:
    """Where an operator of the QOperator form has its tensors.

    operator: the operator in the default domain. Each operand is at a position, its scale and zero point at the
    next two. `weights`: the position of the operand whose scales may be per channel, and `bias` that of the bias.
    `output`: the position of the output's scale. `variadic`: the operands start at `operands[0]`, to the end.
    """

    operator: str
    operands: tuple[int, ...]
    output: int
    weights: int | None = None
    bias: int | None = None
    variadic: bool = False


FORMS: dict[str, Form] = {
    "QLinearConv": Form("Conv", (0, 3), output=6, weights=3, bias=8),
    "QLinearMatMul": Form("MatMul", (0, 3), output=6, weights=3),
    "QGemm": Form("Gemm", (0, 3), output=7, weights=3, bias=6),
    "QLinearAdd": Form("Add", (0, 3), output=6),
    "QLinearMul": Form("Mul", (0, 3), output=6),
    "QLinearSigmoid": Form("Sigmoid", (0,), output=3),
    "QLinearLeakyRelu": Form("LeakyRelu", (0,), output=3),
    "QLinearSoftmax": Form("Softmax", (0,), output=3),
    "QLinearGlobalAveragePool": Form("GlobalAveragePool", (0,), output=3),
    "QLinearAveragePool": Form("AveragePool", (0,), output=3),
    "QLinearReduceMean": Form("ReduceMean", (0,), output=3),
    "QLinearConcat": Form("Concat", (2,), output=0, variadic=True),
}
"""Operators that carry scales, by their name in the default or com.microsoft domain."""


def operands_of(
    form: Form, inputs: list[Operand | None], dtype: str, attributes: Attributes, where: str
) -> tuple[list[Operand | None], Quant, str]:
    """The operands of the operator in the default domain, with their scales, and the output's quantisation and type.

    dtype: the type of the activations that have no zero point.
    """
    inputs = [*inputs, *([None] * (form.output + 2 - len(inputs)))]
    positions = range(form.operands[0], len(inputs), 3) if form.variadic else form.operands
    operands: list[Operand | None] = []
    for position in positions:
        axis = 0
        if position == form.weights:
            axis = 0 if form.operator == "Conv" or attributes.integer("transB", 0) else -1
        operands.append(_given(inputs, position, axis, dtype, where))
    if form.bias is not None and form.bias < len(inputs):
        operands.append(inputs[form.bias])
    if inputs[form.output] is None:
        raise UnsupportedError(f"{where}: the output is float32; quantise it too")
    return operands, *activation_quant(inputs[form.output], inputs[form.output + 1], dtype, where)


def _given(inputs: list[Operand | None], position: int, axis: int, dtype: str, where: str) -> Operand:
    """An operand of the QOperator form with the quantisation that the node gives it."""
    value, scale, zero_point = [*inputs[position : position + 3], None, None, None][:3]
    if value is None:
        raise ModelError(f"{where}: input {position} is missing")
    if isinstance(value, Constant):
        return quantised_constant(value, scale, zero_point, axis, where)
    set_quant(value, activation_quant(scale, zero_point, dtype, where)[0], where)
    return value
