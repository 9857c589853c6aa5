"""Prefix codes as a wavelet matrix: levels of bits, each of which is decoded at once (docs/FORMAT.md, "DecodeHuffman").

Codes that stand one after the other can be read in that order alone. Here the first bits of all codes stand first, then
the second bits of the longer ones, and so on. After Claude, Navarro and Ordóñez, "The wavelet matrix: an efficient
wavelet tree for large alphabets", Information Systems 47 (2015), with levels that codes leave as they end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs.prefix_code import limited_lengths
from wpconvert.errors import ModelError
from wpconvert.formats.onnx.decode.decoder import Array, bits_of, insert, selected
from wpconvert.formats.onnx.decode.packed import MAX_VALUES, codes_of

LEVELS = 12
"""The longest code."""
COUNT_TYPES = ("uint8", "uint16", "int32")


def encode(values: Array) -> tuple[Array, Array, Array, Array]:
    """A vector as `bits`, `levels`, `counts` and `symbols`; ModelError unless it has 2 to 256 distinct elements."""
    codes, table = codes_of(bits_of(values), MAX_VALUES)
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
        first += int(code.leaves[level])
        left = sequence >= first
        sequence = np.concatenate((selected(sequence, left & ~bit), selected(sequence, left & bit)))
    runs = [int(part.sum()) for part in np.split(counts, np.cumsum(code.leaves)[:-1])]
    dtype = next(t for t in COUNT_TYPES if counts.max() <= np.iinfo(t).max)
    symbols = table[code.symbols].view(values.dtype)
    return np.concatenate(bits), np.array(octets + runs, np.int32), counts.astype(dtype), symbols


def check(what: str, total: int, bits: Array, levels: Array, counts: Array, symbols: Array) -> None:
    """ModelError unless vectors uint8, int32, unsigned or int32, and any make `total` elements. what: the operator."""
    octets, leaves = (part.astype(np.int64) for part in np.split(levels, 2))
    # What is left of a level without its leaves, filled up to whole octets, is the next one.
    rest = 8 * octets - leaves
    fits = octets[0] == -(-total // 8) and not rest[-1] and (octets[1:] == -(-rest[:-1] // 8)).all()
    if not fits or levels.min() < 0 or rest.min() < 0 or len(bits) != int(octets.sum()):
        raise ModelError(
            f"{what}: levels {levels.tolist()} and {len(bits)} bytes of bits do not match {total} elements"
        )
    wide = counts.astype(np.int64)
    if not 2 <= len(symbols) <= MAX_VALUES or wide.min() < 1 or int(wide.sum()) != int(leaves.sum()):
        raise ModelError(f"{what}: the counts of its {len(symbols)} symbols do not match the leaves")


def decode(total: int, bits: Array, levels: Array, counts: Array, symbols: Array) -> Array:
    """The first `total` elements of streams that `check` has found good."""
    octets, leaves = (part.astype(np.int64) for part in np.split(levels, 2))
    runs = np.split(np.repeat(symbols, counts.astype(np.int64)), np.cumsum(leaves)[:-1])
    sequence = symbols[:0]
    for part, run in zip(reversed(np.split(bits, np.cumsum(octets)[:-1])), reversed(runs), strict=True):
        bit = np.unpackbits(part, bitorder="little").view(np.bool_)
        ordered = np.concatenate((run, sequence))
        zeros = len(bit) - int(np.count_nonzero(bit))
        sequence = np.empty(len(bit), symbols.dtype)
        insert(ordered[:zeros], sequence, ~bit)
        insert(ordered[zeros:], sequence, bit)
    return sequence[:total]


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


TABLES = f"""
    half = Constant<value = int64[1] {{{LEVELS}}}>()
    whole = Constant<value = int64[1] {{{2 * LEVELS}}}>()
    none = Constant<value = int32[1] {{0}}>()
    unit = Constant<value = int32[1] {{1}}>()
    octet_bits = Constant<value = int32[1] {{8}}>()
    lane = Constant<value = int32[8] {{0, 1, 2, 3, 4, 5, 6, 7}}>()
    clear_rank = Sub(lane, rank)
    set_rank = Sub(rank, unit)
    place = Where(set, set_rank, clear_rank)
    clears = Sub(octet_bits, popcount)
"""
"""What `nodes` needs, once, after bodies.CONSTANTS and bodies.OCTETS."""


def nodes(p: str, opset: int, streams: Sequence[str]) -> str:
    """The elements of streams, and what fills up the last octet, as `{p}0`. p: begins all names.

    Of all levels at once: where each bit finds its element, counted from the start of its level. The set bits before it
    in its level are those before it in all levels but those before the level, `ones`; likewise the clear bits. Then,
    from the last level on, the elements.
    """
    bits, levels, counts, symbols = streams
    # Since opset 18 the number of outputs has to be said.
    split = f"Split<axis = 0, num_outputs = {LEVELS + 1}>" if opset >= 18 else "Split<axis = 0>"
    starts, runs = (", ".join(f"{p}{kind}{level}" for level in range(LEVELS + 1)) for kind in ("start", "run"))
    return f"""
    {p}octets = Slice({levels}, first, half)
    {p}ends = CumSum({p}octets, zero)
    {p}begins = Sub({p}ends, {p}octets)
    {p}edges = Concat<axis = 0>(none, {p}ends)
    {starts} = {split}({p}edges)
    {p}leaves = Slice({levels}, half, whole)
    {p}leaf_ends = CumSum({p}leaves, zero)
    {p}leaf_edges = Concat<axis = 0>(none, {p}leaf_ends)
    {runs} = {split}({p}leaf_edges)

    {p}counts = Cast<to = 6>({counts})
    {p}stops = CumSum({p}counts, zero)
    {p}size = Shape({p}stops)
    {p}but_one = Sub({p}size, second)
    {p}changes = Slice({p}stops, first, {p}but_one)
    {p}length32 = Slice({p}stops, {p}but_one, {p}size)
    {p}length = Cast<to = 7>({p}length32)
    {p}same = Expand(none, {p}length)
    {p}new = Expand(unit, {p}but_one)
    {p}marks = ScatterElements<axis = 0>({p}same, {p}changes, {p}new)
    {p}which = CumSum({p}marks, zero)
    {p}leaf = Gather({symbols}, {p}which)

    {p}used = Greater({p}octets, none)
    {p}used64 = Cast<to = 7>({p}used)
    {p}depth = ReduceSum<keepdims = 1>({p}used64)
    {p}next = Slice({p}begins, second, {p}depth)
    {p}next_size = Shape({p}next)
    {p}steps = Expand(unit, {p}next_size)
    {p}nbytes = Shape({bits})
    {p}flat = Expand(none, {p}nbytes)
    {p}rises = ScatterElements<axis = 0>({p}flat, {p}next, {p}steps)
    {p}level = CumSum({p}rises, zero)

    {p}octet = Cast<to = 6>({bits})
    {p}set = Gather(popcount, {p}octet)
    {p}clear = Gather(clears, {p}octet)
    {p}set_sum = CumSum({p}set, zero)
    {p}clear_sum = CumSum({p}clear, zero)
    {p}set_sums = Concat<axis = 0>(none, {p}set_sum)
    {p}clear_sums = Concat<axis = 0>(none, {p}clear_sum)
    {p}ones = Gather({p}set_sums, {p}begins)
    {p}zeros = Gather({p}clear_sums, {p}begins)
    {p}zeros_then = Gather({p}clear_sums, {p}ends)
    {p}zeros_here = Sub({p}zeros_then, {p}zeros)
    {p}more = Sub({p}zeros_here, {p}ones)
    {p}set_before = Sub({p}set_sum, {p}set)
    {p}clear_before = Sub({p}clear_sum, {p}clear)
    {p}set_shift = Gather({p}more, {p}level)
    {p}clear_shift = Gather({p}zeros, {p}level)
    {p}set_base = Add({p}set_before, {p}set_shift)
    {p}clear_base = Sub({p}clear_before, {p}clear_shift)
    {p}set_column = Reshape({p}set_base, column)
    {p}clear_column = Reshape({p}clear_base, column)
    {p}is_set = Gather(set, {p}octet)
    {p}base = Where({p}is_set, {p}set_column, {p}clear_column)
    {p}offset = Gather(place, {p}octet)
    {p}index = Add({p}base, {p}offset)
    {p}{LEVELS} = Slice({p}leaf, first, first)
    {"".join(_level(p, level) for level in reversed(range(LEVELS)))}"""


def _level(p: str, k: int) -> str:
    """The elements of a level, from its leaves and those of the next one: clear bits took the first of them."""
    return f"""
    {p}index{k} = Slice({p}index, {p}start{k}, {p}start{k + 1})
    {p}leaf{k} = Slice({p}leaf, {p}run{k}, {p}run{k + 1})
    {p}ordered{k} = Concat<axis = 0>({p}leaf{k}, {p}{k + 1})
    {p}found{k} = Gather({p}ordered{k}, {p}index{k})
    {p}{k} = Reshape({p}found{k}, flat)
    """
