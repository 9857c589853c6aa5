"""Pad, and the padding of windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.attributes import PadOptions, PadV2Options
from wpconvert.graph.structure import Tensor
from wpconvert.graph.types import Shape
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.layout import NHWC
from wpconvert.lowering.network import Activation, Constant, Node
from wpconvert.lowering.operators.registry import register
from wpconvert.lowering.operators.window import Window

MAX_RANK = 4


@dataclass
class Pad:
    """Settings of a Pad node: elements before and after each axis; the value, an integer on integers."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    fill: float


def read(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """Constant padding."""
    x = node.activation(0)
    mode = attributes.text("mode", "constant")
    if mode != "constant":
        raise UnsupportedError(f"{node}: mode {mode!r}; supported: 'constant'")
    listed = node.integers(1)
    axes = list(range(x.rank))
    if node.optional(3) is not None:
        axes = [node.axis(axis, x.rank) for axis in node.integers(3)]
    if len(listed) != 2 * len(axes) or len(set(axes)) != len(axes):
        raise ModelError(f"{node}: {len(listed)} paddings for {len(axes)} axes")
    before, after = [0] * x.rank, [0] * x.rank
    for position, axis in enumerate(axes):
        before[axis], after[axis] = listed[position], listed[position + len(axes)]
    if min(*before, *after) < 0:
        raise UnsupportedError(f"{node}: negative padding is not supported")
    fill = 0.0
    if isinstance(node.optional(2), Constant):
        value = node.constant(2)
        if value.values.size != 1 or np.isnan(value.real()).any():
            raise ModelError(f"{node}: the padding value is {value.real().tolist()}, expected one number")
        fill = float((value.values if node.on_integers else value.real()).reshape(-1)[0])
    node.settings = Pad(tuple(before), tuple(after), fill)
    return tuple(low + length + high for low, length, high in zip(before, x.shape, after, strict=True))


def emit(emitter: Emitter, node: Node) -> None:
    """PAD where the value is 0, else PADV2."""
    settings: Pad = node.settings
    x = node.activation(0)
    tensor, perm = emitter.plain(x)
    if x.rank > MAX_RANK:
        raise UnsupportedError(f"{node}: {x.rank} dimensions; supported: at most {MAX_RANK}")
    rescaled = emitter.rescaled(node.output.name, tensor, node.output.quant)
    sides = [(settings.before[axis], settings.after[axis]) for axis in perm]
    table = _table(emitter, node.output.name, sides)
    fill = _quantised_fill(node)
    if fill == node.output.quant.zero_point:
        emitter.result(node, "PAD", [rescaled, table], perm, PadOptions())
        return
    emitter.result(node, "PADV2", [rescaled, table, _fill(emitter, node.output, fill)], perm, PadV2Options())


def _quantised_fill(node: Node) -> int:
    """The padding value as int8."""
    quant, fill = node.output.quant, node.settings.fill
    if node.on_integers:
        # uint8 integers are shifted; their type is that of the value, which Pad requires to be the input's.
        shift = 128 if node.constant(2).values.dtype == np.uint8 else 0
        return int(fill) - shift
    return int(np.clip(np.rint(fill / float(quant.scale)) + quant.zero_point, -128, 127))


def _table(emitter: Emitter, name: str, sides: Sequence[tuple[int, int]]) -> Tensor:
    return emitter.constant(f"{name}/paddings", np.array(sides, np.int32))


def _fill(emitter: Emitter, activation: Activation, value: int) -> Tensor:
    quant = activation.quant
    scales = np.array([quant.scale], np.float32)
    return emitter.constant(f"{activation.name}/fill", np.array([value], np.int8), scales, zero_point=quant.zero_point)


def surrounded(emitter: Emitter, x: Activation, tensor: Tensor, window: Window, lowest: bool = False) -> Tensor:
    """An NHWC image with the window's padding around it: real zeros, or the lowest value."""
    sides = [(0, 0), *zip(window.before, window.after, strict=True), (0, 0)]
    shape = [x.shape[axis] for axis in NHWC]
    padded = tuple(length + sum(pair) for length, pair in zip(shape, sides, strict=True))
    output = emitter.tensor(f"{x.name}/padded", padded, x.quant)
    inputs = [tensor, _table(emitter, x.name, sides)]
    if not lowest:
        return emitter.operator("PAD", inputs, output, PadOptions())
    return emitter.operator("PADV2", [*inputs, _fill(emitter, x, -128)], output, PadV2Options())


register("Pad", read, emit, moves=True)
