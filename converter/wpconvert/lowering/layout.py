"""Where an activation's values lie, and when a change of layout costs nothing.

An activation of ONNX shape S is stored as a row-major array whose axes are those of `base` in the order `perm`.
`base` has the elements of S in S's row-major order: a Reshape changes S and leaves base, perm and memory alone,
and a Transpose renames axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wpconvert.graph.structure import Tensor
from wpconvert.graph.types import Shape

Perm = tuple[int, ...]

NHWC: Perm = (0, 2, 3, 1)
NWC: Perm = (0, 2, 1)


@dataclass(frozen=True)
class Storage:
    """A tensor that holds an activation, as one of shape `base` whose axes are in the order `perm`."""

    tensor: Tensor
    base: Shape
    perm: Perm


def identity(rank: int) -> Perm:
    return tuple(range(rank))


def _boundaries(shape: Shape) -> list[int]:
    return [math.prod(shape[:end]) for end in range(len(shape) + 1)]


def _factors(shape: Shape, edges: Sequence[int]) -> list[list[int]]:
    """For each axis, the positions of its factors between the edges."""
    spans = pairwise(_boundaries(shape))
    return [[i for i, edge in enumerate(edges[:-1]) if low <= edge < high] for low, high in spans]


def _common_edges(first: Shape, second: Shape) -> list[int] | None:
    """Products of leading axes of both shapes, when each divides the next; None when the shapes cut across."""
    edges = sorted({*_boundaries(first), *_boundaries(second)})
    return edges if all(high % low == 0 for low, high in pairwise(edges)) else None


def _axes_in_memory(storage: Storage, edges: Sequence[int]) -> list[list[int]]:
    per_axis = _factors(storage.base, edges)
    return [per_axis[axis] for axis in storage.perm]


def _stored_factors(storage: Storage, edges: Sequence[int]) -> list[int]:
    return [factor for factors in _axes_in_memory(storage, edges) for factor in factors]


def order_of(storage: Storage, shape: Shape) -> Perm | None:
    """The order in memory of `shape`'s axes longer than 1; None when no order describes it."""
    inside = restricted(storage.perm, storage.base)
    if inside == tuple(sorted(inside)):
        return restricted(identity(len(shape)), shape)
    edges = _common_edges(storage.base, shape)
    if edges is None:
        return None
    stored = _stored_factors(storage, edges)
    owner = {factors[0]: (axis, factors) for axis, factors in enumerate(_factors(shape, edges)) if factors}
    order = []
    position = 0
    while position < len(stored):
        axis, factors = owner.get(stored[position], (0, []))
        if not factors or stored[position : position + len(factors)] != factors:
            return None
        order.append(axis)
        position += len(factors)
    return tuple(order)


def restricted(perm: Perm, shape: Shape) -> Perm:
    """A permutation without the axes of length 1, which may lie anywhere."""
    return tuple(axis for axis in perm if shape[axis] != 1)


def completed(order: Perm, shape: Shape) -> Perm:
    """A full permutation for an order of the axes longer than 1; NHWC where that is one."""
    rank = len(shape)
    candidates = ([NHWC] if rank == 4 else []) + [identity(rank)]
    for perm in candidates:
        if restricted(perm, shape) == order:
            return perm
    return (*(axis for axis in range(rank) if shape[axis] == 1), *order)


def transposed(storage: Storage, axes: Perm) -> Storage:
    """The storage after an ONNX Transpose by `axes`: the same memory under other names."""
    base = tuple(storage.base[axis] for axis in axes)
    return Storage(storage.tensor, base, tuple(axes.index(axis) for axis in storage.perm))


def rearrangement(storage: Storage, shape: Shape, perm: Perm) -> tuple[Shape, Perm] | None:
    """A shape of the memory, and the order of its axes that puts `shape`'s axes in the order `perm`.

    The shape is the storage's own where that will do. None when no shape has both the axes of `base` and of `shape`.
    """
    edges = _common_edges(storage.base, shape)
    if edges is None:
        return None
    per_axis = _factors(shape, edges)
    wanted = [factor for axis in perm for factor in per_axis[axis]]
    places = [[wanted.index(f) for f in factors] for factors in _axes_in_memory(storage, edges)]
    if any(end - start != 1 for axis in places for start, end in pairwise(axis)):
        places = [[place] for axis in places for place in axis]
    dims = tuple(math.prod(edges[wanted[p] + 1] // edges[wanted[p]] for p in axis) for axis in places)
    order = sorted(range(len(places)), key=lambda axis: places[axis][:1])
    return dims, tuple(order)


def column_order(storage: Storage, rows: int, columns: int) -> NDArray[np.int64] | None:
    """For an activation seen as [rows, columns]: which column lies where in memory.

    None unless the rows are the outermost axes in memory.
    """
    shape = (rows, columns)
    edges = _common_edges(storage.base, shape)
    if edges is None:
        return None
    outer, inner = _factors(shape, edges)
    stored = _stored_factors(storage, edges)
    if stored[: len(outer)] != outer:
        return None
    lengths = [edges[factor + 1] // edges[factor] for factor in inner]
    order = [inner.index(factor) for factor in stored[len(outer) :]]
    return np.arange(columns, dtype=np.int64).reshape(lengths).transpose(order).reshape(-1)
