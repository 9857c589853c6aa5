"""GlobalAveragePool and ReduceMean: MEAN, which sums exactly and rescales once. Of maxima: REDUCE_MAX, of one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from wpconvert.errors import UnsupportedError
from wpconvert.graph.attributes import ReducerOptions
from wpconvert.graph.types import Shape
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.network import Node
from wpconvert.lowering.operators.registry import register


@dataclass
class Reduction:
    """Settings: the axes in ONNX order, and whether they stay with length 1."""

    axes: tuple[int, ...]
    keep: bool


def read_global(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """Over all axes after the channels."""
    x = node.activation(0)
    attributes.expect_channels_first()
    node.settings = Reduction(tuple(range(2, x.rank)), True)
    return (*x.shape[:2], *(1 for _ in x.shape[2:]))


def read_reduction(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """Over the axes of the attribute, from opset 18 on of the input; without any over all."""
    x = node.activation(0)
    listed = attributes.integers("axes")
    if listed is None and node.optional(1) is not None:
        listed = node.integers(1)
    if not listed and attributes.integer("noop_with_empty_axes", 0):
        raise UnsupportedError(f"{node}: no axes and noop_with_empty_axes")
    axes = listed or list(range(x.rank))
    places = tuple(sorted({node.axis(axis, x.rank) for axis in axes}))
    node.settings = settings = Reduction(places, bool(attributes.integer("keepdims", 1)))
    if settings.keep:
        return tuple(1 if axis in settings.axes else length for axis, length in enumerate(x.shape))
    return tuple(length for axis, length in enumerate(x.shape) if axis not in settings.axes)


def emit(name: str, emitter: Emitter, node: Node) -> None:
    """Over the node's axes."""
    reduce(emitter, node, name, node.settings.axes, keep=node.settings.keep)


def reduce(emitter: Emitter, node: Node, name: str, reduced: Sequence[int], *, keep: bool) -> None:
    """A reduction in the layout of the input; its ONNX axes stay with length 1 where `keep` says so."""
    x = node.activation(0)
    tensor, perm = emitter.plain(x)
    places = sorted(perm.index(axis) for axis in reduced)
    axes = emitter.indices(f"{node.output.name}/axes", places)
    if not keep:
        kept = [axis for axis in range(x.rank) if axis not in reduced]
        perm = tuple(kept.index(axis) for axis in perm if axis in kept)
    emitter.result(node, name, [tensor, axes], perm, ReducerOptions(keep))


register("GlobalAveragePool", read_global, partial(emit, "MEAN"))
register("ReduceMean", read_reduction, partial(emit, "MEAN"))
register("GlobalMaxPool", read_global, partial(emit, "REDUCE_MAX"), copies=True)
register("ReduceMax", read_reduction, partial(emit, "REDUCE_MAX"), copies=True)
