"""Bitmap: a bit for each weight, and those that are not the most common one (docs/FORMAT.md, "DecodeBitmap").

Float weights that were pruned by a mask have two most common values, 0.0 and −0.0; hence bitmaps of two levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError
from wpconvert.formats.onnx.decode import bodies
from wpconvert.formats.onnx.decode.decoder import Array, Decoder, Encoded, Settings, bits_of, insert, selected

# Elements that the most common one is looked for in.
_SAMPLE = 1 << 14
# A second level has to save a sixteenth of the first level's bytes: it brings another function along.
_WORTH = 16


def _level(name: str, bits: str, values: str) -> str:
    """The elements of one bitmap, a multiple of 8, as `name`; values: the fill and the values of set bits.

    A set bit reads value number (set bits of the octets before + rank). A clear one reads from after the values, where
    all are the fill: a longer list costs less memory than another list of indices.
    """
    return f"""
    {name}_size = Shape({values})
    {name}_size32 = Cast<to = 6>({name}_size)
    {name}_table = Where(set, rank, {name}_size32)
    {name}_octet = Cast<to = 6>({bits})
    {name}_count = Gather(popcount, {name}_octet)
    {name}_before = CumSum<exclusive = 1>({name}_count, zero)
    {name}_base = Reshape({name}_before, column)
    {name}_offset = Gather({name}_table, {name}_octet)
    {name}_index = Add({name}_offset, {name}_base)
    {name}_fill = Slice({values}, first, second)
    {name}_fills = Expand({name}_fill, {name}_size)
    {name}_long = Concat<axis = 0>({values}, {name}_fills)
    {name} = Gather({name}_long, {name}_index)
    """


class Bitmap(Decoder):
    """`DecodeBitmap`."""

    op_type = "DecodeBitmap"
    input_names: ClassVar[tuple[str, ...]] = ("bits", "values", "shape")

    def _encode(self, values: Array, settings: Settings) -> Encoded:  # noqa: ARG002
        """With two levels where that pays."""
        bits, stored = _split(values.reshape(-1))
        one = self._encoded(values.shape, bits, stored)
        if len(stored) == 1:
            return one
        inner_bits, others = _split(stored[1:])
        two = _NESTED._encoded(values.shape, bits, inner_bits, np.concatenate((stored[:1], others)))
        return two if two.nbytes + one.nbytes // _WORTH < one.nbytes else one

    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        bits, values = inputs
        self._check_values(values)
        stored = self._mask("bits", bits, math.prod(shape))
        return _joined(stored, values[:1], self._stored(values, 1 + int(np.count_nonzero(stored)))[1:]).reshape(shape)

    def _body(self, opset: int) -> str:  # noqa: ARG002
        return bodies.CONSTANTS + bodies.OCTETS + _level("elements", "bits", "values") + bodies.shaped("elements")

    def _mask(self, name: str, bits: Array, total: int) -> NDArray[np.bool_]:
        """The bits of this input as bool[total]; ModelError unless there are so many and zeros after them."""
        self._check_input(name, bits, ("uint8",), (total + 7) // 8)
        if total % 8 and bits[-1] >> total % 8:
            raise ModelError(f"{self.op_type}: {name} are set beyond its {total} elements")
        return np.unpackbits(bits, count=total, bitorder="little").view(np.bool_)

    def _stored(self, values: Array, expected: int) -> Array:
        """The values; ModelError unless there are so many."""
        if len(values) != expected:
            raise ModelError(f"{self.op_type}: {len(values)} values, expected {expected} from the set bits and fills")
        return values


class NestedBitmap(Bitmap):
    """`DecodeNestedBitmap`: what the bits of one bitmap stand for is stored as another one."""

    op_type = "DecodeNestedBitmap"
    input_names = ("bits", "inner_bits", "values", "shape")

    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        bits, inner_bits, values = inputs
        self._check_values(values)
        stored = self._mask("bits", bits, math.prod(shape))
        inner = self._mask("inner_bits", inner_bits, int(np.count_nonzero(stored)))
        self._stored(values, 2 + int(np.count_nonzero(inner)))
        return _joined(stored, values[:1], _joined(inner, values[1:2], values[2:])).reshape(shape)

    def _body(self, opset: int) -> str:  # noqa: ARG002
        return f"""{bodies.CONSTANTS} {bodies.OCTETS}
    all_size = Shape(values)
    inner_values = Slice(values, second, all_size)
    {_level("inner", "inner_bits", "inner_values")}
    outer_fill = Slice(values, first, second)
    inner_flat = Reshape(inner, flat)
    outer_values = Concat<axis = 0>(outer_fill, inner_flat)
    {_level("elements", "bits", "outer_values")}
    {bodies.shaped("elements")}"""


_NESTED = NestedBitmap()


def _split(flat: Array) -> tuple[NDArray[np.uint8], Array]:
    """A vector that is not empty as a bitmap and its values: the fill, and one for each bit that is set."""
    fill = most_common(flat)
    stored = bits_of(flat) != bits_of(fill)
    return np.packbits(stored, bitorder="little"), np.concatenate((fill, selected(flat, stored)))


def _joined(stored: NDArray[np.bool_], fill: Array, values: Array) -> Array:
    out = np.full(len(stored), fill)
    insert(values, out, stored)
    return out


def most_common(flat: Array) -> Array:
    """The element of which there are most in a vector that is not empty, as a vector of one; never a NaN.

    Of a long one, the most common of a sample.
    """
    sample = flat[:: -(-len(flat) // _SAMPLE)]
    if sample.dtype.kind == "f":
        # The reference evaluator expands by multiplying with 1, which changes some NaNs.
        sample = sample[~np.isnan(sample)]
    if not len(sample):
        return np.zeros(1, flat.dtype)
    found, counts = np.unique(bits_of(sample), return_counts=True)
    return found[[np.argmax(counts)]].view(flat.dtype)
