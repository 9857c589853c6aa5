"""Models of older operator sets, brought to a newer one in memory."""

from __future__ import annotations

import onnx

from wpconvert.errors import UnsupportedError

MIN_OPSET = 11
"""The first operator set that is read as it is."""

OPSET = 13
"""The first operator set with scales per channel."""

_SHOWN = 300
"""Characters of the converter's own words in a message."""


def upgraded(model: onnx.ModelProto, least: int) -> onnx.ModelProto:
    """The model, or where its operator set is older than `least`, one that computes the same with OPSET.

    Raises UnsupportedError where onnx knows no way.
    """
    version = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if version >= least:
        return model
    try:
        return onnx.version_converter.convert_version(model, OPSET)
    except Exception as error:
        # The converter raises RuntimeError, ValueError and classes of its own.
        reason = " ".join(str(error).split())[:_SHOWN]
        raise UnsupportedError(f"opset {version} cannot be converted to {OPSET}: {reason}") from error
