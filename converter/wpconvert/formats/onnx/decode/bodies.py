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


NIBBLES = """
    low_first = Constant<value = uint8[2] {0, 4}>()
    sixteen = Constant<value = uint8 {16}>()
    nibble_octets = Reshape(steps, column)
    nibble_shifted = BitShift<direction = "RIGHT">(nibble_octets, low_first)
    nibble_pairs = Mod(nibble_shifted, sixteen)
    nibble = Reshape(nibble_pairs, flat)
"""
"""The nibbles of `steps`, low ones first: `nibble`, uint8."""

OCTETS = """
    start = Constant<value = int32 {0}>()
    limit = Constant<value = int32 {256}>()
    delta = Constant<value = int32 {1}>()
    powers = Constant<value = int32[8] {1, 2, 4, 8, 16, 32, 64, 128}>()
    two = Constant<value = int32 {2}>()
    across = Constant<value = int64 {1}>()
    seven = Constant<value = int64[1] {7}>()
    eight = Constant<value = int64[1] {8}>()
    octets = Range(start, limit, delta)
    octet_column = Reshape(octets, column)
    shifted = Div(octet_column, powers)
    bit = Mod(shifted, two)
    set = Cast<to = 9>(bit)
    rank = CumSum(bit, across)
    ranks = Slice(rank, seven, eight, second)
    popcount = Reshape(ranks, flat)
"""
"""Of each octet and each of its bits, lowest first: `set`, bool[256, 8], and `rank`, int32[256, 8], the set bits up to
and including it. Of each octet: `popcount`, int32[256]."""
