"""Bare arrays: an int8 array to the blob of a method and back, without a model around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import CODECS, Layout, codec_of, decode, encode, parse, unpack_side
from wpconvert.codecs.blob import check
from wpconvert.errors import FileError, ModelError, UsageError
from wpconvert.report.arrays import Encoded, Sizes
from wpconvert.report.inspection import entropy_bits
from wpconvert.transforms.registry import side_for

_MAGIC = b"\x93NUMPY"


def load_array(path: Path) -> NDArray[Any]:
    """The array of an .npy file; FileError where it is none."""
    try:
        with path.open("rb") as file:
            found = file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise FileError(f"{path}: cannot read the array: {error.strerror}") from error
    if not found:
        raise FileError(f"{path}: cannot read the array: not an .npy file")
    try:
        # The size of a mapped file is checked before there is memory for it.
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:
        # NumPy parses the header with Python's tokenizer and parser, whose errors have no common base.
        raise FileError(f"{path}: cannot read the array: {error}") from error


def check_array(array: NDArray[Any], row_dims: int) -> NDArray[np.int8]:
    """The array; UsageError unless it is int8, ModelError unless a blob can hold its shape."""
    if array.dtype != np.int8:
        raise UsageError(f"the array has type {array.dtype}, expected int8: blobs contain quantised weights")
    check(Layout(array.shape, row_dims), 0)
    return array


def check_method(method: str) -> None:
    """UsageError for the name of no codec."""
    if method not in CODECS:
        raise UsageError(f"unknown method {method!r}, expected one of {', '.join(CODECS)}")


def encode_array(array: NDArray[np.int8], method: str, row_dims: int) -> Encoded:
    """The blob of a checked array; ModelError where the method cannot hold it without loss."""
    side = None if CODECS[method].side is None else side_for(method, array)
    blob = encode(method, array, row_dims, None, side)
    return Encoded(method, array.shape, row_dims, blob.tobytes(), None if side is None else side.pack().tobytes())


def decode_array(blob: bytes, side: bytes | None) -> NDArray[np.int8]:
    """The array of a blob in its shape; ModelError where blob or side data are corrupt, or these are missing."""
    raw = np.frombuffer(blob, np.uint8)
    return decode(raw, None if side is None else unpack_side(codec_of(parse(raw)), np.frombuffer(side, np.uint8)))


def sizes_of(array: NDArray[np.int8], row_dims: int) -> Sizes:
    """A checked array in all methods."""
    methods, reasons = {}, {}
    for method in CODECS:
        try:
            methods[method] = encode_array(array, method, row_dims).nbytes
        except ModelError as error:
            reasons[method] = str(error)
    entropy = entropy_bits(np.ascontiguousarray(array))
    zeros = 1 - int(np.count_nonzero(array)) / array.size
    bound = int(np.ceil(entropy * array.size / 8))
    return Sizes(array.shape, row_dims, array.nbytes, zeros, entropy, bound, methods, reasons)
