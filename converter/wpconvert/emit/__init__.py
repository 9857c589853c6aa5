"""Source files to embed a model in firmware."""

from wpconvert.emit.c_array import emit_c

__all__ = ["emit_c"]
