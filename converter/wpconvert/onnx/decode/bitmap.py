"""Bitmap: a bit for each weight, and those that are not the most common one (docs/FORMAT.md, "DecodeBitmap")."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from wpconvert.errors import ModelError
from wpconvert.onnx.decode.decoder import Array, Decoder, Settings, bits_of

# Elements that the most common one is looked for in.
_SAMPLE = 1 << 14

# Of each byte b of the bitmap and each of its bits, `rank` is the number of set bits up to it. A set bit's weight is
# values[set bits before b + rank]. A clear one reads values 1 + total … behind them, which are all the fill value:
# an index into a longer list costs less memory than another list of indices.
_BODY = """
    zero = Constant<value = int64 {0}>()
    first = Constant<value = int64[1] {0}>()
    second = Constant<value = int64[1] {1}>()
    column = Constant<value = int64[2] {-1, 1}>()
    flat = Constant<value = int64[1] {-1}>()
    last = Constant<value = int64 {1}>()
    start = Constant<value = int32 {0}>()
    limit = Constant<value = int32 {256}>()
    delta = Constant<value = int32 {1}>()
    powers = Constant<value = int32[8] {1, 2, 4, 8, 16, 32, 64, 128}>()
    two = Constant<value = int32 {2}>()
    seven = Constant<value = int64[1] {7}>()
    eight = Constant<value = int64[1] {8}>()

    octets = Range(start, limit, delta)
    octet_column = Reshape(octets, column)
    shifted = Div(octet_column, powers)
    bit = Mod(shifted, two)
    rank = CumSum(bit, last)
    counts = Slice(rank, seven, eight, second)
    count = Reshape(counts, flat)
    set = Cast<to = 9>(bit)
    size = Shape(values)
    size32 = Cast<to = 6>(size)
    table = Where(set, rank, size32)

    octet = Cast<to = 6>(bits)
    octet_count = Gather(count, octet)
    before = CumSum<exclusive = 1>(octet_count, zero)
    before_column = Reshape(before, column)
    offset = Gather(table, octet)
    index = Add(offset, before_column)
    fill = Slice(values, first, second)
    fills = Expand(fill, size)
    long = Concat<axis = 0>(values, fills)
    gathered = Gather(long, index)
    elements = Reshape(gathered, flat)
    total = ReduceProd<keepdims = 0>(shape)
    end = Reshape(total, flat)
    cut = Slice(elements, first, end)
    weight = Reshape(cut, shape)
"""


class Bitmap(Decoder):
    """`DecodeBitmap`."""

    op_type = "DecodeBitmap"
    input_names = ("bits", "values", "shape")

    def _encode(self, values: Array, settings: Settings) -> tuple[Array, ...]:  # noqa: ARG002
        flat = values.reshape(-1)
        fill = most_common(flat)
        stored = bits_of(flat) != bits_of(fill)
        return np.packbits(stored, bitorder="little"), np.concatenate((fill, flat[stored]))

    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        bits, values = inputs
        total = math.prod(shape)
        self._check_input("bits", bits, ("uint8",), (total + 7) // 8)
        self._check_input("values", values, sorted(self.dtypes))
        if total % 8 and bits[-1] >> total % 8:
            raise ModelError(f"{self.op_type}: bits are set behind its {total} elements")
        stored = np.unpackbits(bits, count=total, bitorder="little").view(np.bool_)
        expected = 1 + int(np.count_nonzero(stored))
        if len(values) != expected:
            raise ModelError(f"{self.op_type}: {len(values)} values, expected {expected}: the fill and one a set bit")
        out = np.full(total, values[0])
        out[stored] = values[1:]
        return out.reshape(shape)

    def _body(self, opset: int) -> str:  # noqa: ARG002
        return _BODY


def most_common(flat: Array) -> Array:
    """The element of which there are most in a vector that is not empty, as a vector of one.

    Of a long one, the most common of a sample.
    """
    sample = bits_of(flat[:: -(-len(flat) // _SAMPLE)])
    found, counts = np.unique(sample, return_counts=True)
    return found[[np.argmax(counts)]].view(flat.dtype)
