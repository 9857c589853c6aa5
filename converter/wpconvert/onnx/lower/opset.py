"""Models of older operator sets, brought to a newer one in memory."""

from __future__ import annotations

import onnx

from wpconvert.errors import UnsupportedError
from wpconvert.onnx.weights import FIRST_CONSTANT_IR

OPSET = 13
"""The first operator set with scales per channel."""

_SHOWN = 300
"""Characters of the converter's own words in a message."""


def upgraded(model: onnx.ModelProto, least: int) -> onnx.ModelProto:
    """The model, or where its operator set is older than `least`, one that computes the same with OPSET.

    Raises UnsupportedError where onnx knows no way.
    """
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions or max(versions) >= least:
        return model
    try:
        newer = onnx.version_converter.convert_version(model, OPSET)
    except Exception as error:
        # The converter raises RuntimeError, ValueError and classes of its own.
        reason = " ".join(str(error).split())[:_SHOWN]
        raise UnsupportedError(f"operator set {max(versions)} cannot be brought to {OPSET}: {reason}") from error
    newer.ir_version = max(newer.ir_version, FIRST_CONSTANT_IR)
    return newer
