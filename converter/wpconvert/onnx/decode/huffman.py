"""Huffman: prefix codes of all weights as a wavelet matrix (docs/FORMAT.md, "DecodeHuffman").

Codes that stand one after the other can be read in that order alone. Here the first bits of all codes stand first, then
the second bits of the longer ones, and so on: as many bits, but each level is decoded at once. After Claude, Navarro
and Ordóñez, "The wavelet matrix: an efficient wavelet tree for large alphabets", Information Systems 47 (2015), with
levels that codes leave as they end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs.prefix_code import limited_lengths
from wpconvert.errors import ModelError
from wpconvert.onnx.decode import bodies
from wpconvert.onnx.decode.decoder import Array, Decoder, Encoded, Settings, bits_of
from wpconvert.onnx.decode.packed import MAX_VALUES, codes_of

LEVELS = 12
"""The longest code."""

_COUNT_TYPES = (np.uint8, np.uint16, np.int32)


class Huffman(Decoder):
    """`DecodeHuffman`."""

    op_type = "DecodeHuffman"
    input_names = ("bits", "levels", "counts", "symbols", "shape")
    values_name = "symbols"

    def _encode(self, values: Array, settings: Settings) -> Encoded:  # noqa: ARG002
        codes, table = codes_of(bits_of(values).reshape(-1), MAX_VALUES)
        if len(table) < 2:
            raise ModelError("all its weights are equal")
        code = _assign(limited_lengths(np.bincount(codes, minlength=len(table)), LEVELS))
        place = np.zeros(len(table), np.uint8)
        place[code.symbols] = np.arange(len(table))
        sequence = place[codes]
        counts = np.bincount(sequence, minlength=len(table))
        bits, octets = [], []
        first = 0
        for level in range(LEVELS):
            # The last symbol has a code of ones, so that what fills up a level ends at the end of each next one.
            pads = -len(sequence) % 8
            counts[-1] += pads
            sequence = np.append(sequence, np.full(pads, len(table) - 1, np.uint8))
            bit = code.bits[level][sequence]
            bits.append(np.packbits(bit, bitorder="little"))
            octets.append(len(bits[-1]))
            leaves = int(code.leaves[level])
            first += leaves
            zeros, ones = sequence[~bit], sequence[bit]
            sequence = np.concatenate((zeros[zeros >= first], ones[ones >= first]))
        runs = [int(part.sum()) for part in np.split(counts, np.cumsum(code.leaves)[:-1])]
        dtype = next(t for t in _COUNT_TYPES if counts.max() <= np.iinfo(t).max)
        symbols = table[code.symbols].view(values.dtype)
        levels = np.array(octets + runs, np.int32)
        return self._encoded(values.shape, np.concatenate(bits), levels, counts.astype(dtype), symbols)

    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        bits, levels, counts, symbols = inputs
        total = math.prod(shape)
        self._check_values(symbols, 2)
        self._check_input("counts", counts, [np.dtype(t).name for t in _COUNT_TYPES], len(symbols))
        self._check_input("levels", levels, ("int32",), 2 * LEVELS)
        octets, leaves = (part.astype(np.int64) for part in np.split(levels, 2))
        # What is left of a level without its leaves, filled up to whole octets, is the next one.
        rest = 8 * octets - leaves
        fits = octets[0] == -(-total // 8) and not rest[-1] and (octets[1:] == -(-rest[:-1] // 8)).all()
        if not fits or levels.min() < 0 or rest.min() < 0:
            raise ModelError(f"{self.op_type}: levels {levels.tolist()} do not make {total} elements")
        self._check_input("bits", bits, ("uint8",), int(octets.sum()))
        wide = counts.astype(np.int64)
        if len(symbols) > MAX_VALUES or wide.min() < 1 or int(wide.sum()) != int(leaves.sum()):
            raise ModelError(f"{self.op_type}: the counts of its {len(symbols)} symbols do not make the leaves")
        runs = np.split(np.repeat(symbols, wide), np.cumsum(leaves)[:-1])
        sequence = symbols[:0]
        for part, run in zip(reversed(np.split(bits, np.cumsum(octets)[:-1])), reversed(runs), strict=True):
            bit = np.unpackbits(part, bitorder="little").view(np.bool_)
            sorted_by_bit = np.concatenate((run, sequence))
            zeros = len(bit) - int(np.count_nonzero(bit))
            sequence = np.empty(len(bit), symbols.dtype)
            sequence[~bit] = sorted_by_bit[:zeros]
            sequence[bit] = sorted_by_bit[zeros : len(bit)]
        return sequence[:total].reshape(shape)

    def _body(self, opset: int) -> str:
        return _body(opset)


@dataclass(frozen=True)
class _Code:
    """symbols: in the order of the leaves. leaves: of each level. bits: of each level those of the symbols' codes."""

    symbols: NDArray[np.int64]
    leaves: NDArray[np.int64]
    bits: NDArray[np.bool_]


def _assign(lengths: NDArray[np.int64]) -> _Code:
    """A complete code of these lengths whose leaves come first where a level is sorted by its bits.

    Nodes of a level stand in the order in which that sorting leaves them, all zeros before all ones.
    """
    symbols = np.argsort(lengths, kind="stable")
    leaves = np.bincount(lengths, minlength=LEVELS + 1)[1:]
    bits = np.zeros((LEVELS, len(lengths)), np.bool_)
    nodes: list[tuple[bool, ...]] = [()]
    first = 0
    for count in leaves.tolist():
        nodes = [(*node, bit) for bit in (False, True) for node in nodes]
        for place, node in enumerate(nodes[:count], first):
            bits[: len(node), place] = node
        first += count
        nodes = nodes[count:]
    return _Code(symbols, leaves, bits)


def _body(opset: int) -> str:
    count = LEVELS + 1
    # Since opset 18 the number of outputs has to be said.
    split = f"Split<axis = 0, num_outputs = {count}>" if opset >= 18 else "Split<axis = 0>"
    starts = ", ".join(f"o{level}" for level in range(count))
    runs = ", ".join(f"r{level}" for level in range(count))
    levels = "".join(_level(level) for level in reversed(range(LEVELS)))
    return f"""{bodies.CONSTANTS} {bodies.OCTETS}
    half = Constant<value = int64[1] {{{LEVELS}}}>()
    whole = Constant<value = int64[1] {{{2 * LEVELS}}}>()
    int_zero = Constant<value = int32[1] {{0}}>()
    int_one = Constant<value = int32[1] {{1}}>()
    int_eight = Constant<value = int32[1] {{8}}>()
    lane = Constant<value = int32[8] {{0, 1, 2, 3, 4, 5, 6, 7}}>()
    octets_of = Slice(levels, first, half)
    octets0 = Concat<axis = 0>(int_zero, octets_of)
    octets1 = CumSum(octets0, zero)
    {starts} = {split}(octets1)
    leaves_of = Slice(levels, half, whole)
    leaves0 = Concat<axis = 0>(int_zero, leaves_of)
    leaves1 = CumSum(leaves0, zero)
    {runs} = {split}(leaves1)
    counts32 = Cast<to = 6>(counts)
    ends = CumSum(counts32, zero)
    ends_size = Shape(ends)
    ends_but = Sub(ends_size, second)
    changes = Slice(ends, first, ends_but)
    length32 = Slice(ends, ends_but, ends_size)
    length = Cast<to = 7>(length32)
    same = Expand(int_zero, length)
    new = Expand(int_one, ends_but)
    marks = ScatterElements<axis = 0>(same, changes, new)
    which = CumSum(marks, zero)
    leaf = Gather(symbols, which)
    clear_rank = Sub(lane, rank)
    set_rank = Sub(rank, int_one)
    place = Where(set, set_rank, clear_rank)
    clears = Sub(int_eight, popcount)
    v{LEVELS} = Slice(leaf, first, first)
    {levels}
    {bodies.shaped("v0")}"""


def _level(k: int) -> str:
    """The sequence of a level, from its leaves and the sequence of the next one: clear bits took the first of them."""
    return f"""
    a{k} = Slice(bits, o{k}, o{k + 1})
    b{k} = Cast<to = 6>(a{k})
    c{k} = Reshape(b{k}, column)
    d{k} = Gather(popcount, c{k})
    e{k} = Gather(clears, c{k})
    f{k} = CumSum<exclusive = 1>(d{k}, zero)
    g{k} = CumSum<exclusive = 1>(e{k}, zero)
    h{k} = ReduceSum<keepdims = 1>(e{k})
    i{k} = Add(f{k}, h{k})
    j{k} = Gather(set, b{k})
    k{k} = Where(j{k}, i{k}, g{k})
    l{k} = Gather(place, b{k})
    m{k} = Add(k{k}, l{k})
    n{k} = Slice(leaf, r{k}, r{k + 1})
    p{k} = Concat<axis = 0>(n{k}, v{k + 1})
    q{k} = Gather(p{k}, m{k})
    v{k} = Reshape(q{k}, flat)
    """
