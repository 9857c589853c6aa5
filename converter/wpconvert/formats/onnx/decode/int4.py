"""Decoders of weights of 4 bits: those of int8 weights of the same values, with elements stored as int4 or uint4."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from wpconvert.formats.onnx.decode.bitmap import Bitmap, NestedBitmap
from wpconvert.formats.onnx.decode.dcsr import Dcsr
from wpconvert.formats.onnx.decode.decoder import INT4, Array, Decoder
from wpconvert.formats.onnx.decode.huffman import Huffman, HuffmanRuns
from wpconvert.formats.onnx.decode.packed import Packed
from wpconvert.formats.onnx.decode.pool import Pool
from wpconvert.formats.onnx.decode.rle import Rle


class _Int4(Decoder):
    """What makes another decoder one of 4 bits. Operators on such elements are few: they are cast before and after."""

    stored_dtypes = frozenset({"int8"})
    since_opset = 21

    def decode(self, inputs: Sequence[Array]) -> Array:
        """The tensor, int4 or uint4; ModelError when the inputs are corrupt."""
        self._check_count(inputs)
        at = self.input_names.index(self.values_name)
        self._check_input(self.values_name, inputs[at], sorted(INT4))
        dtype = inputs[at].dtype
        return super().decode([*inputs[:at], inputs[at].astype(np.int8), *inputs[at + 1 :]]).astype(dtype)

    def _nodes(self, opset: int) -> str:
        text = re.sub(rf"\b{self.values_name}\b", "int8_values", super()._nodes(opset))
        text = re.sub(r"\bweight\b", "int8_weight", text)
        return f"""
    int8_values = Cast<to = 3>({self.values_name})
    {text}
    weight = CastLike(int8_weight, {self.values_name})
    """


class BitmapInt4(_Int4, Bitmap):
    """`DecodeBitmapInt4`."""

    op_type = "DecodeBitmapInt4"


class NestedBitmapInt4(_Int4, NestedBitmap):
    """`DecodeNestedBitmapInt4`."""

    op_type = "DecodeNestedBitmapInt4"


class PackedInt4(_Int4, Packed):
    """`DecodePackedInt4`."""

    op_type = "DecodePackedInt4"


class RleInt4(_Int4, Rle):
    """`DecodeRleInt4`."""

    op_type = "DecodeRleInt4"


class DcsrInt4(_Int4, Dcsr):
    """`DecodeDcsrInt4`."""

    op_type = "DecodeDcsrInt4"


class HuffmanInt4(_Int4, Huffman):
    """`DecodeHuffmanInt4`."""

    op_type = "DecodeHuffmanInt4"


class HuffmanRunsInt4(_Int4, HuffmanRuns):
    """`DecodeHuffmanRunsInt4`."""

    op_type = "DecodeHuffmanRunsInt4"


class PoolInt4(_Int4, Pool):
    """`DecodePoolInt4`."""

    op_type = "DecodePoolInt4"


INT4_DECODERS = (
    BitmapInt4(),
    NestedBitmapInt4(),
    PackedInt4(),
    RleInt4(),
    DcsrInt4(),
    HuffmanInt4(),
    HuffmanRunsInt4(),
    PoolInt4(),
)
