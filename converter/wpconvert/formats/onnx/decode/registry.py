"""The table of decoders: by method, and by the operators that models have."""

from __future__ import annotations

from wpconvert.formats.onnx.decode.bitmap import Bitmap, NestedBitmap
from wpconvert.formats.onnx.decode.dcsr import Dcsr
from wpconvert.formats.onnx.decode.decoder import Decoder
from wpconvert.formats.onnx.decode.huffman import Huffman, HuffmanRuns
from wpconvert.formats.onnx.decode.int4 import INT4_DECODERS
from wpconvert.formats.onnx.decode.packed import Packed
from wpconvert.formats.onnx.decode.pool import SCALED, SCALED_FLOAT16, Pool
from wpconvert.formats.onnx.decode.rle import Rle

DECODERS: dict[str, Decoder] = {
    "bitmap": Bitmap(),
    "packed": Packed(),
    "rle": Rle(),
    "dcsr": Dcsr(),
    "huffman": Huffman(),
    "pool": Pool(),
}
"""By the name of the method that encodes with them; what they make may be for another operator."""
BY_OP_TYPE: dict[str, Decoder] = {
    decoder.op_type: decoder
    for decoder in (*DECODERS.values(), NestedBitmap(), HuffmanRuns(), SCALED, SCALED_FLOAT16, *INT4_DECODERS)
}
"""By the operator of a node."""
