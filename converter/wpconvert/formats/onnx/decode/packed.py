"""Packed: each weight a code of 1 to 8 bits, a position in a table (docs/FORMAT.md, "DecodePacked")."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs.codes import bits_for, pack, unpack
from wpconvert.errors import ModelError
from wpconvert.formats.onnx.decode import bodies
from wpconvert.formats.onnx.decode.decoder import Array, Decoder, Encoded, Settings, bits_of

MAX_VALUES = 256
_CHUNK = 1 << 18

# Eight codes of `width` bits are `width` bytes. Lane j starts at bit `shift` of byte `byte`. Where it goes on into the
# next byte, `over` bits are there. Two shifts cut out what a byte has of a code, and the sum of both parts, by a matrix
# product whose result is int32 as Gather takes it, is the code.
CODES = """
    lanes = Constant<value = int64[8] {0, 1, 2, 3, 4, 5, 6, 7}>()
    bits7 = Constant<value = int64 {7}>()
    bits8 = Constant<value = int64 {8}>()
    one = Constant<value = int64 {1}>()
    bits8_list = Constant<value = int64[1] {8}>()
    padded = Add(total, bits7)
    groups = Div(padded, bits8)
    grid_shape = Concat<axis = 0>(groups, flat)
    grid = Reshape(codes, grid_shape)
    nbytes = Shape(codes)
    width = Div(nbytes, groups)
    start = Mul(lanes, width)
    byte = Div(start, bits8)
    byte_bits = Mul(byte, bits8)
    shift = Sub(start, byte_bits)
    stop = Add(shift, width)
    over = Sub(stop, bits8)
    crosses = Greater(over, zero)
    crossing = Cast<to = 7>(crosses)
    next = Add(byte, crossing)
    inside = Sub(one, crossing)
    under = Mul(over, inside)
    low_left = Neg(under)
    low_right = Add(shift, low_left)
    rest = Sub(bits8, over)
    high_left = Mul(rest, crossing)
    unused = Sub(bits8, width)
    high_right = Expand(unused, bits8_list)
    both = Concat<axis = 0>(byte, next)
    lefts = Concat<axis = 0>(low_left, high_left)
    rights = Concat<axis = 0>(low_right, high_right)
    left8 = Cast<to = 2>(lefts)
    right8 = Cast<to = 2>(rights)
    parts = Gather<axis = 1>(grid, both)
    moved = BitShift<direction = "LEFT">(parts, left8)
    fields = BitShift<direction = "RIGHT">(moved, right8)
    lane_column = Reshape(lanes, column)
    same = Equal(lane_column, lanes)
    same_high = And(same, crosses)
    sums = Concat<axis = 0>(same, same_high)
    sums8 = Cast<to = 2>(sums)
    index = MatMulInteger(fields, sums8)
"""
"""`index`, int32[groups of 8, 8]: the codes of all weights and what fills up the last group."""


class Packed(Decoder):
    """`DecodePacked`."""

    op_type = "DecodePacked"
    input_names = ("codes", "table", "shape")
    values_name = "table"

    def _encode(self, values: Array, settings: Settings) -> Encoded:  # noqa: ARG002
        limit = min(MAX_VALUES, 1 << (8 * values.itemsize - 1))
        codes, table = codes_of(bits_of(values).reshape(-1), limit)
        padded = np.append(codes, np.zeros(-len(codes) % 8, np.uint8))
        packed = pack(padded.reshape(-1, 8), bits_for(len(table))).reshape(-1)
        return self._encoded(values.shape, packed, table.view(values.dtype))

    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        codes, table = inputs
        self._check_values(table)
        self._check_input("codes", codes, ("uint8",))
        if len(table) > MAX_VALUES:
            raise ModelError(f"{self.op_type}: the table has {len(table)} values, expected at most {MAX_VALUES}")
        return table[unpacked(self.op_type, codes, math.prod(shape), len(table))].reshape(shape)

    def _body(self, opset: int) -> str:  # noqa: ARG002
        return f"""{bodies.CONSTANTS} {CODES}
    elements = Gather(table, index)
    {bodies.shaped("elements")}"""


def unpacked(what: str, codes: NDArray[np.uint8], total: int, limit: int) -> NDArray[np.uint8]:
    """The codes, uint8[total]; ModelError unless all are below the limit. what: the operator, for messages."""
    groups = -(-total // 8)
    bits, rest = divmod(len(codes), groups)
    if rest or not 1 <= bits <= 8:
        raise ModelError(f"{what}: {len(codes)} bytes of codes, expected 1 to 8 for every 8 of {total} elements")
    index = unpack(codes.reshape(groups, bits), bits, 8).reshape(-1)
    # Bodies look up what fills the last group too.
    if int(index.max()) >= limit:
        raise ModelError(f"{what}: code {index.max()}, expected at most {limit - 1}")
    return index[:total]


def codes_of(flat: Array, limit: int) -> tuple[NDArray[np.uint8], Array]:
    """Unsigned integers as positions, uint8[n], in the list of the distinct ones, sorted.

    ModelError when there are more than `limit`, at most 256.
    """
    table = _distinct(flat)
    if len(table) > limit:
        raise ModelError(f"it has more than {limit} distinct values")
    codes = np.empty(len(flat), np.uint8)
    positions = np.zeros(1 << 8 * min(flat.itemsize, 2), np.uint8)
    if flat.itemsize <= 2:
        positions[table] = np.arange(len(table))
    for first in range(0, len(flat), _CHUNK):
        part = flat[first : first + _CHUNK]
        codes[first : first + _CHUNK] = positions[part] if flat.itemsize <= 2 else np.searchsorted(table, part)
    return codes, table


def _distinct(flat: Array) -> Array:
    """The distinct ones of unsigned integers, sorted; of more than 256 of 4 bytes, only some."""
    if flat.itemsize <= 2:
        present = np.zeros(1 << 8 * flat.itemsize, np.bool_)
        for first in range(0, len(flat), _CHUNK):
            present[flat[first : first + _CHUNK]] = True
        return np.flatnonzero(present).astype(flat.dtype)
    table = np.zeros(0, flat.dtype)
    for first in range(0, len(flat), _CHUNK):
        part = flat[first : first + _CHUNK]
        at = np.searchsorted(table, part) % max(1, len(table))
        new = part[table[at] != part] if len(table) else part
        table = np.union1d(table, new)
        if len(table) > MAX_VALUES:
            break
    return table
