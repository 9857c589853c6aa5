"""Source files to embed a model in firmware."""

from wpconvert.backends.c.c_array import check_path, emit, outputs

__all__ = ["check_path", "emit", "outputs"]
