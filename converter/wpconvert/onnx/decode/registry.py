"""The table of decoders: by method, and by the operators that models have."""

from __future__ import annotations

from wpconvert.onnx.decode.bitmap import Bitmap
from wpconvert.onnx.decode.decoder import Decoder

DECODERS: dict[str, Decoder] = {"bitmap": Bitmap()}
"""By the name of the method."""
BY_OP_TYPE: dict[str, Decoder] = {decoder.op_type: decoder for decoder in DECODERS.values()}
"""By the operator of a node."""
