"""Source files to embed a model in firmware."""

from wpconvert.backends.c.c_array import emit_c

__all__ = ["emit_c"]
