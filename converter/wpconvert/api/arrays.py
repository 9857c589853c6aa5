"""Bare arrays: int8 weights to the blob of a method and back, without a model around them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.api.paths import PathLike, optional_path
from wpconvert.codecs import CODECS
from wpconvert.errors import FileError, UsageError
from wpconvert.files import Content, check_distinct, write_all
from wpconvert.job.arrays import check_array, check_method, decode_array, encode_array, load_array, sizes_of
from wpconvert.report.arrays import Encoded, Sizes

Array = NDArray[np.int8] | PathLike
"""An int8 array of 1 to 4 dimensions, or the path of an .npy file that holds one."""


def encode(
    array: Array,
    method: str,
    *,
    row_dims: int = 1,
    output: PathLike | None = None,
    to_c: PathLike | None = None,
) -> Encoded:
    """Store an int8 array as the blob of a method, without loss.

    array: int8 of 1 to 4 dimensions, or the path of an .npy file; the first `row_dims` dimensions are the rows of the
    stored matrix, the others its columns. A convolution [out, height, width, in] has row_dims=1, a depthwise one
    [1, height, width, channels] row_dims=3. method: a name that `wpconvert methods` lists. Method "pool" is for arrays
    that are made of at most 256 vectors of 8 along the last dimension; its blob needs side data, the pool tensor.

    output: where the blob is written, with side data beside it under a suffix of its kind, as `.pool`. to_c: a C file,
    written with its header, of test data for one kernel: blob, weights, an input and what a layer computes from it.

    Raises UsageError for another type, an unknown method or paths that are one file; ModelError where no blob can hold
    the shape or the method cannot hold the values; FileError where a file cannot be read or written.
    """
    check_method(method)
    source, place, c_file = _source(array), optional_path(output), optional_path(to_c)
    side = CODECS[method].side
    outputs = [] if place is None else [place, *([] if side is None else [place.with_suffix(f".{side.name}")])]
    if c_file is not None:
        from wpconvert.backends.c.c_array import check_path, header_path  # noqa: PLC0415 - for C alone

        check_path(c_file)
        outputs += [c_file, header_path(c_file)]
    check_distinct([*outputs, *([] if source is None else [source])])
    values = check_array(_values(array), row_dims)
    encoded = encode_array(values, method, row_dims)
    files: dict[Path, Content] = dict(zip(outputs, (encoded.data, encoded.side or b""), strict=False))
    if c_file is not None:
        from wpconvert.backends.c.test_data import emit_test_data  # noqa: PLC0415 - for C alone

        files |= emit_test_data(c_file, encoded, values, "an array" if source is None else source.name)
    if files:
        write_all(files)
    return replace(encoded, written=tuple(map(str, files)))


def decode(
    blob: Encoded | bytes | bytearray | memoryview | NDArray[np.uint8] | PathLike,
    *,
    side: bytes | NDArray[np.uint8] | PathLike | None = None,
) -> NDArray[np.int8]:
    """The int8 array of a blob, in its original shape.

    blob: what `encode` returned, its bytes, uint8[nbytes], or the path of a file with them. side: the side data, for
    a blob of a method with such data that is not an `Encoded`. Blobs need not be trusted.

    Raises ModelError where blob or side data are corrupt, or the blob needs some and there is none, and FileError where
    a file cannot be read.
    """
    if isinstance(blob, Encoded):
        return decode_array(blob.data, blob.side)
    return decode_array(_content(blob), None if side is None else _content(side))


def sizes(array: Array, *, row_dims: int = 1) -> Sizes:
    """The bytes of an int8 array in every method.

    array, row_dims: as for `encode`. The result's `methods` has the bytes of blob, and side data where there is some,
    by method, its `reasons` why others cannot hold the array without loss.

    Raises UsageError, ModelError and FileError as `encode` does.
    """
    return sizes_of(check_array(_values(array), row_dims), row_dims)


def _source(array: Array) -> Path | None:
    if isinstance(array, np.ndarray):
        return None
    if not isinstance(array, str | os.PathLike):
        raise UsageError(f"expected an int8 array or the path of an .npy file, found {type(array).__name__}")
    return Path(array)


def _values(array: Array) -> NDArray[Any]:
    path = _source(array)
    return load_array(path) if path is not None else np.asarray(array)


def _content(data: bytes | bytearray | memoryview | NDArray[np.uint8] | PathLike) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview | np.ndarray):
        return bytes(data)
    if not isinstance(data, str | os.PathLike):
        raise UsageError(f"expected the bytes or the path of a blob, found {type(data).__name__}")
    try:
        return Path(data).read_bytes()
    except OSError as error:
        raise FileError(f"{data}: cannot be read: {error.strerror}") from error
