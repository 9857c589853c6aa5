"""The table of codecs: every storage format by name and by the number its blobs carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import bitmap, dcsr, dense, packed, rle
from wpconvert.codecs import blob as container
from wpconvert.codecs.blob import Blob, Layout
from wpconvert.codecs.rows import DEFAULT_BLOCK_LOG2, chunks
from wpconvert.errors import ModelError


class RowDecoder(Protocol):
    """Random access to the rows of one blob."""

    def rows(self, first: int, last: int, out: NDArray[np.int8]) -> None:
        """Decode rows [first, last) into the zeroed int8[last − first, cols] `out`."""


@dataclass(frozen=True)
class Codec:
    """One storage format. `minimum_nbytes(layout, nnz)` bounds a blob's size from below without encoding."""

    number: int
    name: str
    summary: str
    lossless: bool
    encode: Callable[[NDArray[np.int8], Layout, int], NDArray[np.uint8]]
    decoder: Callable[[Blob], RowDecoder]
    minimum_nbytes: Callable[[Layout, int], int]


CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec(
            dense.CODEC_ID,
            "dense",
            "weights as they are; only scales, zero points and bias become a compact table",
            True,
            dense.encode,
            dense.Decoder,
            dense.minimum_nbytes,
        ),
        Codec(
            rle.CODEC_ID,
            "rle",
            "non-zero values and 4-bit column differences; smaller than dense from about 40 % zeros",
            True,
            rle.encode,
            rle.Decoder,
            rle.minimum_nbytes,
        ),
        Codec(
            dcsr.CODEC_ID,
            "dcsr",
            "delta-compressed sparse rows in SIMD groups of 16; smaller than dense from about 40 % zeros",
            True,
            dcsr.encode,
            dcsr.Decoder,
            dcsr.minimum_nbytes,
        ),
        Codec(
            bitmap.CODEC_ID,
            "bitmap",
            "one bit a weight and the non-zero values; smaller than dense from about 15 % zeros, than dcsr below 80 %",
            True,
            bitmap.encode,
            bitmap.Decoder,
            bitmap.minimum_nbytes,
        ),
        Codec(
            packed.CODEC_ID,
            "packed",
            "every weight in 1 to 7 bits, if need be through tables; for weights of at most 128 distinct values",
            True,
            packed.encode,
            packed.Decoder,
            packed.minimum_nbytes,
        ),
    )
}
_BY_NUMBER = {codec.number: codec for codec in CODECS.values()}


def codec_of(blob: Blob) -> Codec:
    """The codec a blob names; ModelError for a number this version does not know."""
    codec = _BY_NUMBER.get(blob.codec)
    if codec is None:
        known = ", ".join(f"{c.number} ({c.name})" for c in CODECS.values())
        raise ModelError(f"weight blob: unknown codec {blob.codec}, this version knows {known}; use a newer wpconvert")
    return codec


def encode(
    name: str, weights: NDArray[np.int8], row_dims: int, block_log2: int = DEFAULT_BLOCK_LOG2
) -> NDArray[np.uint8]:
    """Encode an int8 tensor of 1 to 4 dimensions, the first `row_dims` of them rows, to a blob uint8[nbytes].

    Row blocks have 2^block_log2 rows. Raises ModelError when no blob can hold the shape, row_dims or block_log2, and
    for a tensor so large and empty that `decode` would take its blob for a hostile one.
    """
    layout = Layout(weights.shape, row_dims)
    container.check(layout, block_log2)
    matrix = np.ascontiguousarray(weights).reshape(layout.rows, layout.cols)
    blob = CODECS[name].encode(matrix, layout, block_log2)
    container.parse(blob)
    return blob


def decode(raw: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Decode a whole blob, uint8[nbytes], to the int8 tensor in its original shape; ModelError if it is corrupt."""
    blob = container.parse(raw)
    decoder = codec_of(blob).decoder(blob)
    out = np.zeros((blob.rows, blob.cols), np.int8)
    for first, last in chunks(blob.rows, blob.cols):
        decoder.rows(first, last, out[first:last])
    return out.reshape(blob.layout.shape)


def decode_rows(raw: NDArray[np.uint8], first: int, last: int) -> NDArray[np.int8]:
    """Decode rows [first, last) only, int8[last − first, cols]; IndexError when the range is outside the matrix."""
    blob = container.parse(raw)
    if not 0 <= first <= last <= blob.rows:
        raise IndexError(f"rows {first} to {last} of {blob.rows}")
    decoder = codec_of(blob).decoder(blob)
    out = np.zeros((last - first, blob.cols), np.int8)
    if first < last:
        decoder.rows(first, last, out)
    return out
