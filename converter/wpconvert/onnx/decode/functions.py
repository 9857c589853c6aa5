"""Function bodies, and the nodes that call them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import helper, parser

from wpconvert.onnx.decode.decoder import DOMAIN, Decoder, Encoded

OUTPUT = "weight"


def body(decoder: Decoder, opset: int, text: str) -> onnx.FunctionProto:
    """The function of a decoder from the text of its nodes, in ONNX's textual syntax; its output is `weight`."""
    if opset < decoder.since_opset:
        raise ValueError(f"{decoder.op_type} needs opset {decoder.since_opset}, not {opset}")
    signature = f"({', '.join(decoder.input_names)}) => ({OUTPUT})"
    return parser.parse_function(
        f'<domain: "{DOMAIN}", opset_import: ["" : {opset}]> {decoder.op_type} {signature} {{ {text} }}'
    )


def make_node(encoded: Encoded, inputs: Sequence[str], output: str, name: str = "") -> onnx.NodeProto:
    """The node that decodes `encoded`; inputs: the names under which its arrays are stored."""
    return helper.make_node(encoded.op_type, inputs, [output], name=name, domain=DOMAIN)
