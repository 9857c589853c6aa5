"""The table of codecs: every storage format by name and by the number its blobs carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import bitmap, dcsr, dense, huffman, huffman_decode, packed, pool, pool_table, rle
from wpconvert.codecs import blob as container
from wpconvert.codecs.blob import Blob, Layout, Side, SideKind
from wpconvert.codecs.rows import chunks, default_block_log2, nibbles_nbytes, stored_elements
from wpconvert.errors import ModelError


class RowDecoder(Protocol):
    """Random access to the rows of one blob."""

    def rows(self, first: int, last: int, out: NDArray[np.int8]) -> None:
        """Decode rows [first, last) into the zeroed int8[last − first, cols] `out`."""


Encode = Callable[[NDArray[np.int8], Layout, int, Side | None], NDArray[np.uint8]]
Work = Mapping[str, int]
"""Counts that decoding time depends on in addition to rows and columns: stored elements, escapes, …"""


@dataclass(frozen=True)
class Codec:
    """One storage format.

    `minimum_nbytes(layout, nnz)` bounds a blob's size from below without encoding; 2^block_log2(layout) rows are a row
    block that suits the format. work(blob, matrix) counts what decoding takes. side: the data beside its blobs that
    they are read and written with, if any.
    """

    number: int
    name: str
    summary: str
    encode: Encode
    decoder: Callable[[Blob], RowDecoder]
    minimum_nbytes: Callable[[Layout, int], int]
    work: Callable[[Blob, NDArray[np.int8]], Work]
    block_log2: Callable[[Layout], int] = default_block_log2
    side: SideKind | None = None


def _alone(encode: Callable[[NDArray[np.int8], Layout, int], NDArray[np.uint8]]) -> Encode:
    """The encoder of a codec that reads nothing beside its blobs."""
    return lambda matrix, layout, block_log2, _: encode(matrix, layout, block_log2)


def _no_work(blob: Blob, matrix: NDArray[np.int8]) -> Work:  # noqa: ARG001 - one signature for all codecs
    """Nothing but rows and columns."""
    return {}


CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec(
            dense.CODEC_ID,
            "dense",
            "uncompressed weights; scales, zero points and bias become a compact table",
            _alone(dense.encode),
            dense.Decoder,
            dense.minimum_nbytes,
            _no_work,
        ),
        Codec(
            rle.CODEC_ID,
            "rle",
            "non-zero values and 4-bit column differences; smaller than dense from about 40 % zeros",
            _alone(rle.encode),
            rle.Decoder,
            nibbles_nbytes,
            stored_elements,
        ),
        Codec(
            dcsr.CODEC_ID,
            "dcsr",
            "delta-compressed sparse rows in SIMD groups of 16; smaller than dense from about 40 % zeros",
            _alone(dcsr.encode),
            dcsr.Decoder,
            nibbles_nbytes,
            dcsr.work,
        ),
        Codec(
            bitmap.CODEC_ID,
            "bitmap",
            "one bit per weight, and the non-zero values; smaller than dense above 15 % zeros, than dcsr below 80 %",
            _alone(bitmap.encode),
            bitmap.Decoder,
            bitmap.minimum_nbytes,
            stored_elements,
        ),
        Codec(
            packed.CODEC_ID,
            "packed",
            "1 to 7 bits per weight, through tables if necessary; for at most 128 distinct values",
            _alone(packed.encode),
            packed.Decoder,
            packed.minimum_nbytes,
            packed.work,
        ),
        Codec(
            huffman.CODEC_ID,
            "huffman",
            "entropy code of all weights, or of the non-zero ones and the gaps between them; the smallest",
            _alone(huffman.encode),
            huffman_decode.Decoder,
            huffman.minimum_nbytes,
            huffman_decode.work,
            huffman.block_log2_of,
        ),
        Codec(
            pool.CODEC_ID,
            "pool",
            "groups of eight channels as indices into up to 256 vectors; changes weights that are not pooled",
            pool.encode,
            pool.Decoder,
            pool.minimum_nbytes,
            _no_work,
            side=SideKind("pool", pool_table.unpack),
        ),
    )
}
STANDALONE = tuple(name for name, codec in CODECS.items() if codec.side is None)
"""The codecs whose blobs need nothing beside them."""
_BY_NUMBER = {codec.number: codec for codec in CODECS.values()}


def codec_of(blob: Blob) -> Codec:
    """The codec a blob names; ModelError for a number this version does not know."""
    codec = _BY_NUMBER.get(blob.codec)
    if codec is None:
        known = ", ".join(f"{c.number} ({c.name})" for c in CODECS.values())
        raise ModelError(
            f"weight blob: unknown codec {blob.codec}, this version supports {known}; use a newer wpconvert"
        )
    return codec


def unpack_side(codec: Codec, raw: NDArray[np.uint8]) -> Side:
    """The side data of a codec from its tensor, uint8[nbytes]; ModelError where it is corrupt or the codec has none."""
    if codec.side is None:
        raise ModelError(f"there is side data, but the weight blob uses codec {codec.name!r}, which has none")
    return codec.side.unpack(raw)


def encode(
    name: str, weights: NDArray[np.int8], row_dims: int, block_log2: int | None = None, side: Side | None = None
) -> NDArray[np.uint8]:
    """Encode an int8 tensor of 1 to 4 dimensions, the first `row_dims` of them rows, to a blob uint8[nbytes].

    Row blocks have 2^block_log2 rows, or as many as suit the codec. side: what the codec reads beside the blob. Raises
    ModelError when no blob can hold the shape, row_dims or block_log2, when the weights are not such that the codec can
    hold them, and for a tensor so large and empty that `decode` would take its blob for a hostile one.
    """
    layout = Layout(weights.shape, row_dims)
    codec = CODECS[name]
    container.check(layout, block_log2 or 0)
    if block_log2 is None:
        block_log2 = codec.block_log2(layout)
    matrix = np.ascontiguousarray(weights).reshape(layout.rows, layout.cols)
    blob = codec.encode(matrix, layout, block_log2, side)
    container.parse(blob)
    return blob


def decode(raw: NDArray[np.uint8], side: Side | None = None) -> NDArray[np.int8]:
    """Decode a whole blob, uint8[nbytes], to the int8 tensor in its original shape; ModelError if it is corrupt.

    side: what the codec reads beside it.
    """
    blob = container.parse(raw)
    decoder = codec_of(blob).decoder(replace(blob, side=side))
    out = np.zeros((blob.rows, blob.cols), np.int8)
    for first, last in chunks(blob.rows, blob.cols):
        decoder.rows(first, last, out[first:last])
    return out.reshape(blob.layout.shape)
