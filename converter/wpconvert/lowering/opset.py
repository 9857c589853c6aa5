"""Models of older operator sets, brought to a newer one in memory."""

from __future__ import annotations

import onnx

from wpconvert.errors import UnsupportedError, shortened
from wpconvert.formats.onnx_graphs import DEFAULT_DOMAINS

MIN_OPSET = 11
"""The first operator set that is read as it is."""

OPSET = 13
"""The first operator set with scales per channel."""


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that a model uses, 0 where it names none."""
    return max((entry.version for entry in model.opset_import if entry.domain in DEFAULT_DOMAINS), default=0)


def upgraded(model: onnx.ModelProto, least: int) -> onnx.ModelProto:
    """The model, or where its operator set is older than `least`, one that computes the same with OPSET.

    Raises UnsupportedError where onnx knows no way.
    """
    version = opset_of(model)
    if version >= least:
        return model
    try:
        return onnx.version_converter.convert_version(model, OPSET)
    except Exception as error:
        # The converter raises RuntimeError, ValueError and classes of its own.
        raise UnsupportedError(f"opset {version} cannot be converted to {OPSET}: {shortened(error)}") from error
