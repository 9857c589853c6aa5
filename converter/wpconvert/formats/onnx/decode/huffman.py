"""Huffman: prefix codes of all weights, or of the distances between those that are not the most common one and of them.

docs/FORMAT.md, "DecodeHuffman" and "DecodeHuffmanRuns".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from wpconvert.errors import ModelError
from wpconvert.formats.onnx.decode import bodies, steps, wavelet
from wpconvert.formats.onnx.decode.bitmap import most_common
from wpconvert.formats.onnx.decode.decoder import Array, Decoder, Encoded, Settings, bits_of

_REACH = 256
# No code is shorter than a bit. Where the most common element is rarer than this, that is no waste.
_RUNS_FROM = 0.5
# Runs have to save a sixteenth of the bytes: they bring another function along.
_WORTH = 16


class Huffman(Decoder):
    """`DecodeHuffman`."""

    op_type = "DecodeHuffman"
    input_names: ClassVar[tuple[str, ...]] = ("bits", "levels", "counts", "symbols", "shape")
    values_name = "symbols"

    def _encode(self, values: Array, settings: Settings) -> Encoded:  # noqa: ARG002
        flat = values.reshape(-1)
        plain = self._encoded(values.shape, *wavelet.encode(flat))
        if np.count_nonzero(bits_of(flat) == bits_of(most_common(flat))) < len(flat) * _RUNS_FROM:
            return plain
        step, stored = steps.steps_of(flat, _REACH)
        try:
            *codes, symbols = wavelet.encode(stored[1:])
            inputs = (*wavelet.encode(step), *codes, np.concatenate((stored[:1], symbols)))
        except ModelError:
            # All steps, or all values, are equal.
            return plain
        runs = _RUNS._encoded(values.shape, *inputs, np.array([len(step)], np.int64))
        return runs if runs.nbytes + plain.nbytes // _WORTH < plain.nbytes else plain

    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        self._check_values(inputs[-1], 2)
        return self._stream("", math.prod(shape), inputs).reshape(shape)

    def _stream(self, prefix: str, total: int, streams: Sequence[Array]) -> Array:
        """The elements of one wavelet matrix; ModelError when it is corrupt."""
        bits, levels, counts, symbols = streams
        self._check_input(f"{prefix}bits", bits, ("uint8",))
        self._check_input(f"{prefix}levels", levels, ("int32",), 2 * wavelet.LEVELS)
        self._check_input(f"{prefix}counts", counts, wavelet.COUNT_TYPES, len(symbols))
        wavelet.check(self.op_type, total, *streams)
        return wavelet.decode(total, *streams)

    def _body(self, opset: int) -> str:
        return f"""{bodies.CONSTANTS} {bodies.OCTETS} {wavelet.TABLES}
    {wavelet.nodes("v", opset, self.input_names[:4])}
    {bodies.shaped("v0")}"""


class HuffmanRuns(Huffman):
    """`DecodeHuffmanRuns`."""

    op_type = "DecodeHuffmanRuns"
    input_names = (
        *("step_bits", "step_levels", "step_counts", "step_symbols"),
        *("bits", "levels", "counts", "values", "stored", "shape"),
    )
    values_name = "values"

    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        *streams, values, stored = inputs
        self._check_values(values, 3)
        self._check_input("stored", stored, ("int64",), 1)
        count = int(stored[0])
        if not 1 <= count <= math.prod(shape):
            raise ModelError(f"{self.op_type}: {count} stored values, expected 1 to {math.prod(shape)}")
        self._check_input("step_symbols", streams[3], ("uint8",))
        step = self._stream("step_", count, streams[:4])
        others = self._stream("", count, (*streams[4:], values[1:]))
        return steps.unfolded(self.op_type, step, np.concatenate((values[:1], others)), shape, _REACH)

    def _body(self, opset: int) -> str:
        return f"""{bodies.CONSTANTS} {bodies.OCTETS} {wavelet.TABLES}
    {wavelet.nodes("s", opset, self.input_names[:4])}
    all_symbols = Shape(values)
    fill = Slice(values, first, second)
    symbols = Slice(values, second, all_symbols)
    {wavelet.nodes("v", opset, ("bits", "levels", "counts", "symbols"))}
    others = Slice(v0, first, stored)
    step = Cast<to = 6>(s0)
    {steps.placed("stored")}"""


_RUNS = HuffmanRuns()
