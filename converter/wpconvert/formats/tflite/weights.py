"""Find the weights of a `.tflite` model and say of each whether it can be rewritten, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import WpconvertError
from wpconvert.formats.tflite.elementwise import check_elementwise, matrix_of
from wpconvert.formats.tflite.model import TfliteModel, shape_of, text
from wpconvert.formats.tflite.schema import TYPE_NAMES, TensorType
from wpconvert.graph.arithmetic import activation_range, output_multipliers
from wpconvert.graph.custom import table
from wpconvert.graph.custom.levels import fold_bias, unit_log2, zero_sums
from wpconvert.graph.custom.obstacles import Obstacle, check_scale
from wpconvert.graph.custom.operators import (
    CHANNEL_AXIS,
    CUSTOM_NAMES,
    ELEMENTWISE,
    LOOKUP,
    ROW_DIMS,
    channel_sums,
    options_of,
)
from wpconvert.graph.types import Quantization
from wpconvert.model.changed import USUAL, Arithmetic
from wpconvert.model.weight import Fixed, Rewritable, Weight

WEIGHT_INPUT = 1
BIAS_INPUT = 2
REPORTED_NBYTES = 256
"""Constants of other operators are listed, and left as they are, from this size on; smaller ones describe shapes."""

_NO_CONSTANT = "no constant: the weights are computed at run time, or there are none"
_RANK = {"CONV_2D": 4, "DEPTHWISE_CONV_2D": 4, "FULLY_CONNECTED": 2}
_OPTIONS = {
    "CONV_2D": "Conv2DOptionsT",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptionsT",
    "FULLY_CONNECTED": "FullyConnectedOptionsT",
    "ADD": "AddOptionsT",
    "MUL": "MulOptionsT",
}


@dataclass(frozen=True)
class Use:
    """An operator that reads a tensor."""

    operator: int
    slot: int
    name: str


@dataclass
class Site:
    """Where a weight lives: subgraph and tensor index, and every operator that reads it."""

    subgraph: int
    tensor: int
    uses: list[Use] = field(default_factory=list)


def key_of(subgraph: int, tensor: int) -> str:
    """The key of a weight: `subgraph:tensor`."""
    return f"{subgraph}:{tensor}"


def find_sites(model: TfliteModel) -> dict[str, Site]:
    """Every constant tensor that an operator reads, and every tensor it multiplies with, in the order of first use."""
    sites: dict[str, Site] = {}
    for s, graph in enumerate(model.root.subgraphs):
        for o, operator in enumerate(graph.operators or []):
            name = model.operator_name(operator)
            for slot, t in enumerate(operator.inputs):
                if t < 0:
                    continue
                if model.buffer(graph.tensors[t]) is not None or _multiplies(name, slot):
                    site = sites.setdefault(key_of(s, int(t)), Site(s, int(t)))
                    site.uses.append(Use(o, slot, name))
    return sites


def _multiplies(name: str, slot: int) -> bool:
    """Whether the operator sums products with this input, constant or not."""
    return name in CHANNEL_AXIS and slot == WEIGHT_INPUT


def _is_rewritten(name: str) -> bool:
    """An operator of ours with stored weights, also one of a later version."""
    return name.startswith("WP_") and name != LOOKUP


def find_weights(model: TfliteModel) -> list[Weight]:
    """The weights of a model, in execution order."""
    sites = find_sites(model)
    kept = _kept_buffers(model, sites)
    return [_describe(model, key, site, kept) for key, site in sites.items() if _is_weight(model, site)]


def rewritable_weights(model: TfliteModel) -> list[Rewritable]:
    """Those of the weights that can be rewritten."""
    return [weight for weight in find_weights(model) if isinstance(weight, Rewritable)]


def _is_weight(model: TfliteModel, site: Site) -> bool:
    if any(_multiplies(use.name, use.slot) for use in site.uses):
        return True
    if all(use.name in CHANNEL_AXIS or _is_rewritten(use.name) for use in site.uses):
        return any(_is_rewritten(use.name) and use.slot == WEIGHT_INPUT for use in site.uses)
    if all(use.name == LOOKUP for use in site.uses):
        return False
    data = model.buffer(model.root.subgraphs[site.subgraph].tensors[site.tensor])
    return data is not None and data.nbytes >= REPORTED_NBYTES


def _kept_buffers(model: TfliteModel, sites: dict[str, Site]) -> set[int]:
    """Buffers that something other than a weight stands on: they must stay in the file as they are."""
    kept = {int(metadata.buffer) for metadata in model.root.metadata or []}
    kept |= {int(b) for b in (() if model.root.metadataBuffer is None else model.root.metadataBuffer)}
    weights = {key for key, site in sites.items() if _is_weight(model, site)}
    for s, graph in enumerate(model.root.subgraphs):
        kept |= {int(tensor.buffer) for t, tensor in enumerate(graph.tensors) if key_of(s, t) not in weights}
    return kept


def _describe(model: TfliteModel, key: str, site: Site, kept: set[int]) -> Weight:
    graph = model.root.subgraphs[site.subgraph]
    tensor = graph.tensors[site.tensor]
    data = model.buffer(tensor)
    described = (
        key,
        text(tensor.name),
        tuple(dict.fromkeys(use.name for use in site.uses)),
        shape_of(tensor),
        TYPE_NAMES.get(tensor.type, str(tensor.type)),
        0 if data is None else data.nbytes,
    )
    storage = int(tensor.buffer)
    try:
        _check_sharing(model, site, kept)
        for use in site.uses:
            _check_use(model, site, use)
        values = _constant_weights(model, tensor)
    except (Obstacle, WpconvertError) as obstacle:
        return Fixed(*described, storage=storage, obstacle=str(obstacle))
    name = site.uses[0].name
    if name in ELEMENTWISE:
        values = matrix_of(values)
    return Rewritable(*described, storage=storage, values=values, row_dims=ROW_DIMS[name])


def _check_sharing(model: TfliteModel, site: Site, kept: set[int]) -> None:
    """Every reader must be an operator that can be rewritten, reading the tensor as its weights in one layout."""
    graph = model.root.subgraphs[site.subgraph]
    data = model.buffer(graph.tensors[site.tensor])
    if data is None or data.nbytes == 0:
        raise Obstacle(_NO_CONSTANT)
    for use in site.uses:
        if _is_rewritten(use.name):
            raise Obstacle("already rewritten")
        if use.name not in CUSTOM_NAMES:
            raise Obstacle(f"constants of {use.name} are not rewritten")
        if use.slot != WEIGHT_INPUT:
            raise Obstacle(f"used as input {use.slot} of {use.name}, not as its weights")
    if len({(ROW_DIMS[use.name], use.name in ELEMENTWISE) for use in site.uses}) > 1:
        raise Obstacle("used by operators with different weight layouts")
    if site.tensor in list(graph.outputs) or site.tensor in list(graph.inputs):
        raise Obstacle("is an input or output of the model")
    tensor = graph.tensors[site.tensor]
    if tensor.isVariable:
        raise Obstacle("is a variable tensor")
    if tensor.sparsity is not None:
        raise Obstacle("stored in TFLite's own sparse format")
    if tensor.buffer in kept:
        raise Obstacle("shares its bytes with a tensor or metadata entry that is no weight")


def _type_name(tensor: Any) -> str:
    return TYPE_NAMES.get(tensor.type, str(tensor.type)).lower()


def _check_use(model: TfliteModel, site: Site, use: Use) -> table.RequantTable | None:
    """Raise Obstacle unless the operator can be rewritten; its table, where it would have one."""
    graph = model.root.subgraphs[site.subgraph]
    operator = graph.operators[use.operator]
    weights = graph.tensors[site.tensor]
    if len(operator.inputs) not in (2, 3) or len(operator.outputs) != 1 or operator.inputs[0] < 0:
        raise Obstacle(f"{use.name} with {len(operator.inputs)} inputs and {len(operator.outputs)} outputs")
    x, y = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    if weights.type != TensorType.INT8:
        raise Obstacle(f"{_type_name(weights)} weights; only int8 weights are rewritten")
    if x.type != TensorType.INT8 or y.type != TensorType.INT8:
        kind = "hybrid: " if x.type == TensorType.FLOAT32 else ""
        raise Obstacle(f"{kind}{_type_name(x)} activations with int8 weights; int8 activations are supported")
    if type(operator.builtinOptions).__name__ != _OPTIONS[use.name]:
        raise Obstacle(f"{use.name} has no {_OPTIONS[use.name][:-1]}")
    if use.name == "FULLY_CONNECTED" and operator.builtinOptions.weightsFormat != 0:
        raise Obstacle("shuffled weights format")
    if use.name in ELEMENTWISE:
        check_elementwise(use.name, operator, x, weights, y)
        return None
    shape = shape_of(weights)
    if len(shape) != _RANK[use.name] or (use.name == "DEPTHWISE_CONV_2D" and shape[0] != 1):
        raise Obstacle(f"shape {list(shape)} does not suit {use.name}")
    options_of(use.name, operator.builtinOptions)
    _quantizations(use.name, x, weights, y)
    channels = shape[CHANNEL_AXIS[use.name]]
    if channels > table.MAX_CHANNELS:
        raise Obstacle(f"{channels} output channels; a requantisation table has at most {table.MAX_CHANNELS}")
    bias = _bias_of(graph, operator)
    if bias is not None:
        constant = model.constant(bias)
        if constant is None or constant.dtype != np.int32 or constant.size != channels:
            raise Obstacle(f"bias is not a constant of {channels} int32 values")
        _check_size(model, bias, constant, "bias")
    return build_table(model, site.subgraph, use.operator)


def _bias_of(graph: Any, operator: Any) -> Any | None:
    if len(operator.inputs) <= BIAS_INPUT or operator.inputs[BIAS_INPUT] < 0:
        return None
    return graph.tensors[operator.inputs[BIAS_INPUT]]


def _constant_weights(model: TfliteModel, tensor: Any) -> NDArray[Any]:
    """The values of weights; Obstacle where the file has none."""
    values = model.constant(tensor)
    if values is None:
        raise Obstacle(_NO_CONSTANT)
    _check_size(model, tensor, values, "weights")
    return values


def _check_size(model: TfliteModel, tensor: Any, values: NDArray[Any], what: str) -> None:
    """Obstacle where the file has more bytes than the tensor's elements: they would be lost."""
    data = model.buffer(tensor)
    if data is not None and data.nbytes != values.nbytes:
        raise Obstacle(f"the {what} has {data.nbytes} bytes, {values.nbytes} are used")


def _quantizations(name: str, x: Any, weights: Any, y: Any) -> tuple[Quantization, Quantization, Quantization]:
    """Of input, weights and output; Obstacle where an operator with these cannot be rewritten."""
    of_input, of_output = (check_scale(t, what, per_tensor=True) for t, what in ((x, "input"), (y, "output")))
    quantization = check_scale(weights, "weights", per_tensor=False)
    points = quantization.zero_points
    shape, axis = shape_of(weights), CHANNEL_AXIS[name]
    if len(points) > 1 and (quantization.axis != axis or len(points) != shape[axis]):
        raise Obstacle(f"{len(points)} scales along dimension {quantization.axis}, expected {shape[axis]} along {axis}")
    if points.any():
        raise Obstacle("weights with a zero point other than 0")
    return of_input, quantization, of_output


def table_of(
    model: TfliteModel, subgraph: int, index: int, arithmetic: Arithmetic = USUAL
) -> table.RequantTable | None:
    """The table that rewriting an operator would give it, None when it cannot be rewritten.

    arithmetic: as in `build_table`.
    """
    operator = model.root.subgraphs[subgraph].operators[index]
    name = model.operator_name(operator)
    if name not in CHANNEL_AXIS or len(operator.inputs) <= WEIGHT_INPUT or operator.inputs[WEIGHT_INPUT] < 0:
        return None
    try:
        usual = _check_use(model, Site(subgraph, int(operator.inputs[WEIGHT_INPUT])), Use(index, WEIGHT_INPUT, name))
        return usual if arithmetic == USUAL else build_table(model, subgraph, index, arithmetic)
    except (Obstacle, WpconvertError):
        return None


def build_table(
    model: TfliteModel, subgraph: int, operator_index: int, arithmetic: Arithmetic = USUAL
) -> table.RequantTable:
    """The requantisation table of a builtin convolution or fully connected operator with constant int8 weights.

    arithmetic: of the operator, another one than usual only where a transform has made the weights for it.
    Raises Obstacle where weights or quantisation are of another kind, UnsupportedError for an activation that is not a
    clamp, ModelError for impossible scales.
    """
    graph = model.root.subgraphs[subgraph]
    operator = graph.operators[operator_index]
    name = model.operator_name(operator)
    x, w, y = (graph.tensors[t] for t in (*operator.inputs[:2], operator.outputs[0]))
    values = _constant_weights(model, w)
    bias_tensor = _bias_of(graph, operator)
    bias = None if bias_tensor is None else model.constant(bias_tensor)
    qx, qw, qy = _quantizations(name, x, w, y)
    # Scales that overflow float32 are refused by their infinite multiplier.
    with np.errstate(all="ignore"):
        unit = unit_log2(arithmetic.act_bits, arithmetic.shift)
        multiplier, shift = output_multipliers(qx.scales[0], np.ldexp(qw.scales, unit), qy.scales[0])
    zero_in, zero_out = int(qx.zero_points[0]), int(qy.zero_points[0])
    activation = operator.builtinOptions.fusedActivationFunction
    low, high = activation_range(activation, qy.scales[0], zero_out, np.dtype(np.int8))
    if low > high:
        raise Obstacle(f"the activation's range {low} to {high} is empty")
    sums = zero_in * channel_sums(name, values)
    if unit:
        sums = zero_sums(values, zero_in, arithmetic.act_bits, arithmetic.shift)
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
