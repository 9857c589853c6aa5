"""Reading pickled arrays of bytes without running anything that the file asks for.

A pickle is a program. Ours may name three functions of NumPy, and gets stand-ins that only note their arguments; an
array is then made from what was noted, after checking it.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wptrain.errors import DataError

# An official CIFAR batch has 31 MB.
LARGEST_FILE = 1 << 26


class PickledArray:
    """What a pickle says about an array: shape, type, bytes; not checked."""

    def __init__(self, *_: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class _PickledType:
    """The name of an array's element type; byte order and fields are noted nowhere."""

    def __init__(self, name: object = None, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        pass


def _latin1(text: str, encoding: str) -> bytes:
    """`_codecs.encode`, by which newer Pythons write bytes in old protocols."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes text as {encoding!r}")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): PickledArray,
    ("numpy._core.multiarray", "_reconstruct"): PickledArray,
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): _PickledType,
    ("_codecs", "encode"): _latin1,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        stand_in = _STAND_INS.get((module, name))
        if stand_in is None:
            raise pickle.UnpicklingError(f"it requests {module}.{name}, which arrays do not need")
        return stand_in

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError(f"it refers to an external object, {pid!r}")


def read_pickle(path: Path) -> object:
    """The content of a pickle of dicts, lists, numbers, texts (as bytes) and arrays (as PickledArray).

    Raises DataError for anything else, OSError when the file cannot be read.
    """
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise DataError(f"{path}: {size} bytes, expected a batch of at most {LARGEST_FILE}")
    try:
        return _Reader(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except OSError:
        raise
    except Exception as error:
        # A malformed pickle can end in almost any exception.
        raise DataError(f"{path}: not accepted as a pickle of arrays: {error}") from error


def to_array(value: object, where: str) -> NDArray[np.uint8]:
    """The array that was noted; DataError unless it is uint8, in C order, with as many bytes as its shape says."""
    state = value.state if isinstance(value, PickledArray) else None
    if not isinstance(state, tuple) or len(state) != 5:
        raise DataError(f"{where}: expected an array")
    _, shape, kind, fortran, raw = state
    if not isinstance(kind, _PickledType) or kind.name not in (b"u1", "u1") or fortran or not isinstance(raw, bytes):
        raise DataError(f"{where}: expected an array of uint8 in C order")
    if not isinstance(shape, tuple) or not all(isinstance(extent, int) and extent >= 0 for extent in shape):
        raise DataError(f"{where}: expected a shape of integers")
    array = np.frombuffer(raw, np.uint8)
    try:
        return array.reshape(shape)
    except ValueError as error:
        raise DataError(f"{where}: {len(raw)} bytes do not match the shape {shape}") from error
