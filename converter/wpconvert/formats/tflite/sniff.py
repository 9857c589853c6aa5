"""Tell a `.tflite` file by its first bytes, without the library that reads it."""

from __future__ import annotations


def claims(head: bytes) -> bool:
    """Whether a file that starts like this has the identifier of TFLite's flatbuffers."""
    return head[4:8] == b"TFL3"
