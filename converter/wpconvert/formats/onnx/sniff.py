"""Tell an ONNX model by its name or its first bytes, without the library that reads it."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".onnx"


def is_onnx(path: Path) -> bool:
    """Whether to take a file for an ONNX model: by its suffix, or, of one with another than .tflite, its first byte."""
    suffix = path.suffix.lower()
    if suffix in (SUFFIX, ".tflite") or not path.is_file():
        return suffix == SUFFIX
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return False
    # The tag of ir_version, which writers put first.
    return head[:1] == b"\x08" and head[4:] != b"TFL3"
