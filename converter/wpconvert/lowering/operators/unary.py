"""Activations, each on its own: a table of 256 values in the runtime."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import onnx

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.attributes import NONE, HardSwishOptions, LeakyReluOptions, SoftmaxOptions
from wpconvert.graph.structure import Tensor
from wpconvert.graph.types import Shape, element_count
from wpconvert.lowering import layout
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.clamp import RELU_OPERATORS, clamp_bounds, fused_clamp
from wpconvert.lowering.curves import curve_of, is_identity
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.layout import Storage
from wpconvert.lowering.network import Constant, Node, Operand, Quant
from wpconvert.lowering.operators.registry import TABLE, register
from wpconvert.lowering.opset import MIN_OPSET

_FINEST = 2.0
"""How many times finer than an operator's own step the output may be quantised.

The operator rounds by up to half a step of its own; rescaled to steps of half that size this is one step.
"""

_HARD_SWISH = (2.0**-8, 2.0**7)
"""Ratios of the scales, first and beyond the last, that HARD_SWISH's arithmetic of 16 bits can follow."""

_COARSEST = 4.0
"""The scale of inputs from which on the kernels of Sigmoid and Tanh lose their first steps beside 0."""

FIXED = {
    "Sigmoid": Quant(np.float32(1 / 256), -128),
    "Softmax": Quant(np.float32(1 / 256), -128),
    "Tanh": Quant(np.float32(1 / 128), 0),
}
"""The only output quantisation of operators' kernels."""


def follows(node: Node, quant: Quant) -> bool:
    """TFLite's own operators compute the node's output with that quantisation."""
    clamp = fused_clamp(clamp_bounds(node, quant), quant)
    if clamp is None or (node.op in ("Relu", "Clip") and clamp not in (NONE, *RELU_OPERATORS)):
        return False
    if node.op == "HardSwish":
        return _HARD_SWISH[0] <= float(node.activation(0).quant.scale) / float(quant.scale) < _HARD_SWISH[1]
    kernel = FIXED.get(node.op)
    return kernel is None or rescalable(kernel, quant)


def rescalable(kernel: Quant, quant: Quant) -> bool:
    """What was rounded to the first quantisation is within a step after rounding to the second."""
    return float(kernel.scale) <= _FINEST * float(quant.scale)


def bounds(op: str, inputs: list[Operand | None], attributes: Attributes, where: str) -> tuple[float, float]:
    """The real bounds that Relu or Clip imposes."""
    if op == "Relu":
        return 0.0, np.inf
    limits = [attributes.real("min", -np.inf), attributes.real("max", np.inf)]
    for position, value in enumerate(inputs[1:3]):
        if value is None:
            continue
        if not isinstance(value, Constant) or value.values.size != 1:
            raise UnsupportedError(f"{where}: its bounds are not scalar constants")
        limits[position] = float(value.real().reshape(-1)[0])
    if not limits[0] <= limits[1]:
        raise ModelError(f"{where}: the lower bound {limits[0]:g} is above the upper bound {limits[1]:g}")
    return limits[0], limits[1]


def read(node: Node, _attributes: Attributes, _opset: int) -> Shape:
    """An operator on each element."""
    return node.activation(0).shape


def read_clamp(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """Relu or Clip of an activation that is quantised already."""
    node.clamp = bounds(node.op, node.inputs, attributes, str(node))
    return node.activation(0).shape


def read_leaky_relu(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """The slope of the negative half-line."""
    node.settings = attributes.real("alpha", 0.01)
    return node.activation(0).shape


def emit_rescaling(emitter: Emitter, node: Node) -> None:
    """QuantizeLinear, Relu and Clip: at most a QUANTIZE and a clamp."""
    storage = emitter.stored[node.activation(0)][0]
    tensor = emitter.rescaled(node.output.name, storage.tensor, node.output.quant)
    emitter.alias(node, [Storage(tensor, storage.base, storage.perm)])


def emit_table(emitter: Emitter, node: Node) -> None:
    """WP_LOOKUP; where each integer stands for itself at another scale, a RESHAPE to the same shape, which is free."""
    storage = emitter.stored[node.activation(0)][0]
    name, quant = node.output.name, node.output.quant
    table = node.settings.table(quant)
    if is_identity(table):
        tensor = emitter.relabelled(name, storage.tensor, quant)
    else:
        tensor = emitter.looked_up(name, storage.tensor, table, quant)
    emitter.alias(node, [Storage(tensor, storage.base, storage.perm)])


def emit_leaky_relu(emitter: Emitter, node: Node) -> None:
    """LEAKY_RELU rescales by itself."""
    _emit(emitter, node, "LEAKY_RELU", LeakyReluOptions(node.settings))


def emit_hard_swish(emitter: Emitter, node: Node) -> None:
    """HARD_SWISH rescales by itself."""
    _emit(emitter, node, "HARD_SWISH", HardSwishOptions())


def _emit(emitter: Emitter, node: Node, name: str, attributes: LeakyReluOptions | HardSwishOptions) -> None:
    storage = emitter.stored[node.activation(0)][0]
    emitter.result(node, name, [storage.tensor], storage.perm, attributes, storage.base)


def expect_rescalable(node: Node, name: str, quant: Quant) -> None:
    """UnsupportedError where the output is finer than an operator that rounds to `quant` first can give it."""
    wanted = node.output.quant
    if not rescalable(quant, wanted):
        raise UnsupportedError(
            f"{node}: its output has scale {float(wanted.scale):g}; {name} computes with scale {float(quant.scale):g} "
            f"and can be rescaled to half of that or more"
        )


def fixed(emitter: Emitter, node: Node, name: str, tensor: Tensor, attributes: SoftmaxOptions | None) -> Tensor:
    """An operator whose kernel knows one output quantisation only, rescaled to the node's; the result."""
    quant = FIXED[node.op]
    expect_rescalable(node, name, quant)
    output = emitter.tensor(f"{node.output.name}/{name.lower()}", tensor.shape, quant)
    return emitter.rescaled(node.output.name, emitter.operator(name, [tensor], output, attributes), node.output.quant)


def emit_fixed(name: str, emitter: Emitter, node: Node) -> None:
    """LOGISTIC or TANH; a table for inputs that their kernels round too coarsely."""
    x, quant = node.activation(0), node.output.quant
    storage = emitter.stored[x][0]
    if float(x.quant.scale) < _COARSEST:
        output = fixed(emitter, node, name, storage.tensor, None)
    else:
        curve = curve_of(onnx.helper.make_node(node.op, ["x"], ["y"]), [x], {}, MIN_OPSET, str(node))
        if curve is None:
            raise UnsupportedError(f"{node}: no look-up table of {name} for its input")
        output = emitter.looked_up(node.output.name, storage.tensor, curve.table(quant), quant)
    emitter.alias(node, [Storage(output, storage.base, storage.perm)])


def read_softmax(node: Node, attributes: Attributes, opset: int) -> Shape:
    """The axis; before opset 13 all axes from it on are one."""
    x = node.activation(0)
    axis = node.axis(attributes.integer("axis", -1 if opset >= 13 else 1), x.rank)
    several = attributes.integer("opset", opset) < 13
    node.settings = tuple(range(axis, x.rank)) if several else (axis,)
    return x.shape


def emit_softmax(emitter: Emitter, node: Node) -> None:
    """SOFTMAX along the innermost axes in memory, which become one."""
    x, axes = node.activation(0), node.settings
    longer = layout.restricted(axes, x.shape) or axes[-1:]
    tensor, perm = emitter.plain(x)
    if set(perm[-len(longer) :]) != set(longer):
        perm = (*(axis for axis in perm if axis not in longer), *longer)
        tensor = emitter.laid_out(x, perm)
    memory = tuple(x.shape[axis] for axis in perm)
    rows = math.prod(memory[: -len(longer)])
    seen = memory if len(longer) == 1 else (rows, element_count(memory) // rows)
    output = fixed(emitter, node, "SOFTMAX", emitter.reshaped(x, tensor, seen), SoftmaxOptions(1.0))
    emitter.alias(node, [Storage(emitter.reshaped(node.output, output, memory), x.shape, perm)])


register("QuantizeLinear", read, emit_rescaling)
register(TABLE, read, emit_table)
register("Relu", read_clamp, emit_rescaling)
register("Clip", read_clamp, emit_rescaling)
register("LeakyRelu", read_leaky_relu, emit_leaky_relu)
register("HardSwish", read, emit_hard_swish)
register("Sigmoid", read, partial(emit_fixed, "LOGISTIC"))
register("Tanh", read, partial(emit_fixed, "TANH"))
register("Softmax", read_softmax, emit_softmax)
