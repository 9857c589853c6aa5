"""Convolutions whose look-up entries are rounded: sums of looked-up entries (docs/FORMAT.md, "Sums of a pool").

With entries that are exact such a sum is a product, and the ordinary integer kernels serve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs.pool_table import LANES, entries_of
from wpconvert.graph.arithmetic import Int32Array
from wpconvert.graph.custom.levels import vectors_of
from wpconvert.reference.window import expect_scratch, pad_image, window_geometry

Pair = tuple[int, int]

_CHUNK_BYTES = 1 << 25
"""Size of the products of some images with all vectors."""


@dataclass(frozen=True)
class LookupWeights:
    """Filters as indices into a look-up table.

    entries: int32[256, vectors]. index: int64[out_channels, kernel_h · kernel_w, groups].
    """

    entries: Int32Array
    index: NDArray[np.int64]
    kernel: Pair


def prepare_lookup_weights(weights: NDArray[np.int8], lut_shift: int) -> LookupWeights:
    """Look-up form of int8 filters [out_channels, kernel_h, kernel_w, depth] that consist of pool vectors."""
    cut = vectors_of(weights)
    # Of a group that is not full only the lanes within depth count, so that cut vectors do for the pool's own.
    keys, index = np.unique(cut.view("<u8")[..., 0], return_inverse=True)
    vectors = keys.view(np.int8).reshape(-1, LANES)
    entries = entries_of(vectors, lut_shift).astype(np.int32)
    return LookupWeights(entries, index.reshape(cut.shape[:-1]), (weights.shape[1], weights.shape[2]))


def products(levels: NDArray[np.int8], entries: Int32Array, act_bits: int) -> Int32Array:
    """The sum of a pool for groups of eight levels, int8[…, 8], with every vector: int32[…, vectors].

    entries: int32[256, vectors]. act_bits: of a level, 1 to 8.
    """
    total = np.zeros((*levels.shape[:-1], entries.shape[1]), np.int32)
    for bit in range(act_bits):
        pattern = np.packbits(levels.view(np.uint8) >> np.uint8(bit) & np.uint8(1), axis=-1, bitorder="little")[..., 0]
        plane = entries[pattern] << bit
        total += plane if bit < act_bits - 1 else -plane
    return total


def lookup_accumulate(
    levels: NDArray[np.int8],
    weights: LookupWeights,
    zero_level: int,
    act_bits: int,
    strides: Pair,
    padding: str,
    dilation: Pair = (1, 1),
) -> Int32Array:
    """The sums of all taps, those outside the image included, without bias.

    levels int8 [batch, height, width, depth], numbers of act_bits bits; zero_level is that of taps outside the image;
    strides and dilation are (height, width); padding is SAME or VALID. Returns int32 [batch, out_height,
    out_width, out_channels].
    """
    (height, width), pads = window_geometry(levels.shape[1:3], weights.kernel, strides, padding, dilation)
    padded = pad_image(levels, pads, zero_level)
    depth, groups = levels.shape[3], weights.index.shape[2]
    lanes = np.zeros((*padded.shape[:3], LANES * groups), np.int8)
    lanes[..., :depth] = padded
    image_bytes = padded.shape[1] * padded.shape[2] * weights.entries.shape[1] * weights.entries.itemsize
    expect_scratch("the products of one image", image_bytes)
    sums = np.zeros((len(levels), height, width, len(weights.index)), np.int32)
    step = max(1, _CHUNK_BYTES // image_bytes)
    for first in range(0, len(levels), step):
        images = slice(first, first + step)
        for group in range(groups):
            own = lanes[images, :, :, LANES * group : LANES * (group + 1)]
            found = products(np.ascontiguousarray(own), weights.entries, act_bits)
            for tap in range(weights.index.shape[1]):
                row, column = divmod(tap, weights.kernel[1])
                top, left = row * dilation[0], column * dilation[1]
                pixels = found[
                    :,
                    top : top + (height - 1) * strides[0] + 1 : strides[0],
                    left : left + (width - 1) * strides[1] + 1 : strides[1],
                ]
                sums[images] += pixels[..., weights.index[:, tap, group]]
    return sums
