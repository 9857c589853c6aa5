"""Decoders of compressed ONNX weights: nodes `wpconvert.Decode…` whose bodies are plain ONNX operators.

docs/FORMAT.md, "ONNX", is their normative description.
"""

from wpconvert.formats.onnx.decode.decoder import (
    DOMAIN,
    MAX_ELEMENTS,
    MAX_OPSET,
    MIN_IR_VERSION,
    MIN_OPSET,
    VERSION,
    Decoder,
    Encoded,
    Settings,
    make_node,
)
from wpconvert.formats.onnx.decode.registry import BY_OP_TYPE, DECODERS

__all__ = [
    "BY_OP_TYPE",
    "DECODERS",
    "DOMAIN",
    "MAX_ELEMENTS",
    "MAX_OPSET",
    "MIN_IR_VERSION",
    "MIN_OPSET",
    "VERSION",
    "Decoder",
    "Encoded",
    "Settings",
    "make_node",
]
