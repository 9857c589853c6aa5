"""Parts of function bodies that several decoders have."""

from __future__ import annotations

CONSTANTS = """
    zero = Constant<value = int64 {0}>()
    first = Constant<value = int64[1] {0}>()
    second = Constant<value = int64[1] {1}>()
    flat = Constant<value = int64[1] {-1}>()
    column = Constant<value = int64[2] {-1, 1}>()
    count = ReduceProd<keepdims = 0>(shape)
    total = Reshape(count, flat)
"""
"""Indices and shapes; `total`, int64[1], is the number of elements of the weight."""


def shaped(elements: str) -> str:
    """The weight from its elements in memory order and what fills up the last byte or group."""
    return f"""
    vector = Reshape({elements}, flat)
    cut = Slice(vector, first, total)
    weight = Reshape(cut, shape)
    """


def scattered(positions: str) -> str:
    """The weight from `values` whose first one is the fill, and the positions of the others, int32."""
    return f"""
    end = Shape(values)
    fill = Slice(values, first, second)
    stored = Slice(values, second, end)
    empty = Expand(fill, total)
    full = ScatterElements<axis = 0>(empty, {positions}, stored)
    weight = Reshape(full, shape)
    """
