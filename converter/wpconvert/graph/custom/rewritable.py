"""Which builtin operators can become custom ones, and the requantisation table that they get."""

from __future__ import annotations

import numpy as np

from wpconvert.errors import WpconvertError
from wpconvert.graph.arithmetic import activation_range, output_multipliers
from wpconvert.graph.attributes import (
    AddOptions,
    Attributes,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Fused,
    MulOptions,
)
from wpconvert.graph.custom import table
from wpconvert.graph.custom.elementwise import check_elementwise
from wpconvert.graph.custom.levels import ACT_BITS, fold_bias, unit_log2, zero_sums
from wpconvert.graph.custom.obstacles import NO_CONSTANT, Obstacle, check_scale
from wpconvert.graph.custom.operators import CHANNEL_AXIS, ELEMENTWISE, channel_sums, options_of
from wpconvert.graph.structure import Operator, Tensor
from wpconvert.graph.types import FLOAT32, INT8, Quantization, Values

WEIGHT_INPUT = 1
BIAS_INPUT = 2

_RANK = {"CONV_2D": 4, "DEPTHWISE_CONV_2D": 4, "FULLY_CONNECTED": 2}
_TABLES: dict[str, type[Attributes]] = {
    "CONV_2D": Conv2DOptions,
    "DEPTHWISE_CONV_2D": DepthwiseConv2DOptions,
    "FULLY_CONNECTED": FullyConnectedOptions,
    "ADD": AddOptions,
    "MUL": MulOptions,
}


def check_rewritable(operator: Operator) -> table.RequantTable | None:
    """Raise Obstacle, or an error of ours, unless an operator can be rewritten; the table that it gets, if any."""
    kind = operator.kind
    if len(operator.inputs) not in (2, 3) or len(operator.outputs) != 1 or operator.inputs[0] is None:
        raise Obstacle(f"{kind} with {len(operator.inputs)} inputs and {len(operator.outputs)} outputs")
    x, weights, y = operator.tensor(0), operator.tensor(WEIGHT_INPUT), operator.outputs[0]
    if weights.dtype is not INT8:
        raise Obstacle(f"{_lower(weights)} weights; only int8 weights are rewritten")
    if x.dtype is not INT8 or y.dtype is not INT8:
        hybrid = "hybrid: " if x.dtype is FLOAT32 else ""
        raise Obstacle(f"{hybrid}{_lower(x)} activations with int8 weights; int8 activations are supported")
    if not isinstance(operator.attributes, _TABLES[kind]):
        raise Obstacle(f"{kind} has no {_TABLES[kind].__name__}")
    if isinstance(operator.attributes, FullyConnectedOptions) and operator.attributes.weights_format != 0:
        raise Obstacle("the shuffled weights format is not supported")
    if kind in ELEMENTWISE:
        check_elementwise(operator)
        return None
    shape = weights.shape
    if len(shape) != _RANK[kind] or (kind == "DEPTHWISE_CONV_2D" and shape[0] != 1):
        raise Obstacle(f"shape {list(shape)} does not suit {kind}")
    options_of(operator.attributes)
    _quantizations(operator)
    channels = shape[CHANNEL_AXIS[kind]]
    if channels > table.MAX_CHANNELS:
        raise Obstacle(f"{channels} output channels; a requantisation table supports at most {table.MAX_CHANNELS}")
    bias = operator.optional(BIAS_INPUT)
    if bias is not None:
        constant = bias.constant()
        if constant is None or constant.dtype != np.int32 or constant.size != channels:
            raise Obstacle(f"the bias is not a constant of {channels} int32 values")
        _check_size(bias, constant, "bias")
    return build_table(operator)


def _lower(tensor: Tensor) -> str:
    return tensor.dtype.name.lower()


def constant_weights(tensor: Tensor) -> Values:
    """The values of weights; Obstacle where the file has none."""
    values = tensor.constant()
    if values is None:
        raise Obstacle(NO_CONSTANT)
    _check_size(tensor, values, "weights")
    return values


def _check_size(tensor: Tensor, values: Values, what: str) -> None:
    """Obstacle where the file has more bytes than the tensor's elements: they would be lost."""
    if tensor.data is not None and tensor.data.nbytes != values.nbytes:
        raise Obstacle(f"the {what} has {tensor.data.nbytes} bytes, but {values.nbytes} are used")


def _quantizations(operator: Operator) -> tuple[Quantization, Quantization, Quantization]:
    """Of input, weights and output; Obstacle where an operator with these cannot be rewritten."""
    weights = operator.tensor(WEIGHT_INPUT)
    of_input = check_scale(operator.tensor(0), "input", per_tensor=True)
    of_output = check_scale(operator.outputs[0], "output", per_tensor=True)
    quantization = check_scale(weights, "weights", per_tensor=False)
    points = quantization.zero_points
    shape, axis = weights.shape, CHANNEL_AXIS[operator.kind]
    if len(points) > 1 and (quantization.axis != axis or len(points) != shape[axis]):
        raise Obstacle(f"{len(points)} scales along dimension {quantization.axis}, expected {shape[axis]} along {axis}")
    if points.any():
        raise Obstacle("weights with a zero point other than 0")
    return of_input, quantization, of_output


def table_of(operator: Operator, act_bits: int = ACT_BITS, sum_shift: int = 0) -> table.RequantTable | None:
    """The table that rewriting an operator would give it, None when it cannot be rewritten.

    act_bits and sum_shift: as in `build_table`.
    """
    if operator.kind not in CHANNEL_AXIS or operator.optional(WEIGHT_INPUT) is None:
        return None
    try:
        usual = check_rewritable(operator)
        if (act_bits, sum_shift) == (ACT_BITS, 0):
            return usual
        return build_table(operator, act_bits, sum_shift)
    except (Obstacle, WpconvertError):
        return None


def build_table(operator: Operator, act_bits: int = ACT_BITS, sum_shift: int = 0) -> table.RequantTable:
    """The requantisation table of a builtin convolution or fully connected operator with constant int8 weights.

    act_bits: of an activation. sum_shift: partial sums are divided by 2^this.
    Raises Obstacle where weights or quantisation are of another kind, UnsupportedError for an activation that is not a
    clamp, ModelError for impossible scales.
    """
    values = constant_weights(operator.tensor(WEIGHT_INPUT))
    bias_tensor = operator.optional(BIAS_INPUT)
    bias = None if bias_tensor is None else bias_tensor.constant()
    qx, qw, qy = _quantizations(operator)
    # Scales that overflow float32 are refused by their infinite multiplier.
    with np.errstate(all="ignore"):
        unit = unit_log2(act_bits, sum_shift)
        multiplier, shift = output_multipliers(qx.scales[0], np.ldexp(qw.scales, unit), qy.scales[0])
    zero_in, zero_out = int(qx.zero_points[0]), int(qy.zero_points[0])
    activation = operator.attributes_as(Fused).fused_activation_function
    low, high = activation_range(activation, qy.scales[0], zero_out, np.dtype(np.int8))
    if low > high:
        raise Obstacle(f"the activation's range {low} to {high} is empty")
    sums = zero_sums(values, zero_in, act_bits, sum_shift) if unit else zero_in * channel_sums(operator.kind, values)
    return table.RequantTable(
        fold_bias(np.zeros(len(sums), np.int32) if bias is None else bias, sums, unit),
        multiplier,
        shift.astype(np.int8),
        zero_in,
        zero_out,
        low,
        high,
        bias is not None,
    )
