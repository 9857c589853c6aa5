"""Tell an ONNX model by its first bytes, without the library that reads it."""

from __future__ import annotations


def claims(head: bytes) -> bool:
    """Whether a file that starts like this may be an ONNX model."""
    # The tag of ir_version, which writers put first.
    return head[:1] == b"\x08" and head[4:8] != b"TFL3"
