"""Golden vectors of blobs: every codec, its limits, and what its readers have to accept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.vectors.numbers import noise
from wpconvert.codecs import CODECS, STANDALONE, encode, parse
from wpconvert.codecs.blob import build
from wpconvert.codecs.huffman import FLAG_WIDE_INDEX

Weights = NDArray[np.int8]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """A tensor that every codec, or those in `codecs`, stores. `covers` is its line in the README."""

    covers: str
    weights: Weights
    row_dims: int = 1
    block_log2: int = 4
    codecs: tuple[str, ...] = tuple(name for name in STANDALONE if name != "packed")


def sparse(shape: tuple[int, ...], zeros: float, seed: int) -> Weights:
    """int8 weights in −127 … 127 of which about the share `zeros` is 0."""
    count = int(np.prod(shape))
    values = noise(count, seed) % 255 - 127
    values[noise(count, seed + 1) < zeros * 65536] = 0
    return values.astype(np.int8).reshape(shape)


def _with_rows(weights: Weights, rows: list[int], value: int) -> Weights:
    out = weights.copy()
    out[rows] = value
    return out


def _single(cols: int, column: int) -> Weights:
    out = np.zeros((1, cols), np.int8)
    out[0, column] = 77
    return out


def _every_plane() -> Weights:
    out = np.zeros((1, 256), np.int8)
    out[0, 240:] = np.arange(1, 17)
    return out


def _extremes() -> Weights:
    out = sparse((4, 33), 0.3, 60)
    out[out > 40] = 127
    out[out < -40] = -128
    return out


def _halving() -> Weights:
    """int8[64, 64]: half of the weights 0, a quarter 1, an eighth −1, and so on, well mixed."""
    counts = [2048 >> min(k, 11) for k in range(13)]
    signed = np.array([(k + 1) // 2 * (-1) ** (k + 1) for k in range(13)], np.int8)
    mixed = np.argsort(noise(64 * 64, 80), kind="stable")
    return np.repeat(signed, counts)[mixed].reshape(64, 64)


CASES: dict[str, Case] = {
    "conv": Case(
        "convolution [6, 3, 3, 8], a row per output channel, three row blocks", sparse((6, 3, 3, 8), 0.6, 10), 1, 1
    ),
    "depthwise": Case("depthwise convolution [1, 3, 3, 20], a row per tap", sparse((1, 3, 3, 20), 0.5, 20), 3),
    "fully_connected": Case("fully connected [10, 64], 80 % zeros", sparse((10, 64), 0.8, 30)),
    "vector": Case("one dimension, all of it rows: a column of 40 weights", sparse((40,), 0.5, 40), 1, 3),
    "empty_rows": Case(
        "empty rows first, last and inside, a block per row",
        _with_rows(sparse((7, 40), 0.5, 50), [0, 3, 6], 0),
        1,
        0,
    ),
    "all_zero": Case("nothing stored: sections of no bytes", np.zeros((3, 17), np.int8)),
    "extremes": Case("values −128 and 127", _extremes(), 1, 0),
    "odd_groups": Case(
        "dCSR: three groups, the last without a partner; RLE: an odd number of elements",
        _with_rows(np.zeros((3, 32), np.int8), [0, 1, 2], 1) * (np.arange(32) % 4 == 0).astype(np.int8)
        + np.eye(3, 32, 1, dtype=np.int8),
        1,
        1,
    ),
    "uneven_rows": Case("row counts as i16", _with_rows(np.zeros((3, 400), np.int8), [1], -3), 1, 0, ("rle", "dcsr")),
    "every_plane": Case("dCSR: deltas of 8 bits, all four extension planes; RLE: many fillers", _every_plane()),
    "far_weight": Case("one weight, in column 899: explicit zeros in dCSR, 59 fillers in RLE", _single(900, 899)),
    "wide_rows": Case(
        "rows of 600 columns, 95 % zeros: extension planes, explicit zeros, fillers", sparse((3, 600), 0.95, 70), 1, 0
    ),
    "dead_channels": Case(
        "every third input channel zero, few zeros else: columns left out with a period of 12",
        sparse((8, 2, 2, 12), 0.1, 81) * (np.arange(12) % 3 != 0).astype(np.int8),
        1,
        1,
        ("huffman",),
    ),
    "dead_runs": Case(
        "half of the columns zero, most of the others' weights too: gaps of stored columns",
        sparse((40, 60), 0.8, 82) * (np.arange(60) % 4 < 2).astype(np.int8),
        1,
        3,
        ("huffman",),
    ),
    "long_codes": Case("codes of 1 to 12 bits", _halving(), 1, 4, ("huffman",)),
}


def _wide_fields(raw: Bytes) -> Bytes:
    """Row counts as i32 and a row index of u32, wider than needed, which readers accept."""
    blob = parse(raw)
    index = blob.sections[0].view("<u2").astype("<u4")
    counts = blob.sections[1].view("i1").astype("<i4")
    return build(
        blob.codec, blob.layout, blob.block_log2, 0b110, [[index], [counts], *([s] for s in blob.sections[2:])]
    )


def _wide_index(raw: Bytes, entries: int) -> Bytes:
    """A Huffman blob with a row index of u32."""
    blob = parse(raw)
    (section,) = blob.sections
    index = section[: 2 * entries].view("<u2").astype("<u4")
    parts = [index, section[2 * entries :]]
    return build(blob.codec, blob.layout, blob.block_log2, blob.flags | FLAG_WIDE_INDEX, [parts])


def _rle_leniency() -> tuple[Bytes, Weights]:
    """Steps 2, 15 (filler), 0, 3 with value 0, 15 (filler): columns 2, 17, 20, 35 of 40."""
    expected = np.zeros((1, 40), np.int8)
    expected[0, [2, 17]] = [5, -6]
    blob = parse(encode("rle", expected, 1))
    sections = [
        blob.sections[0],
        np.zeros(1, np.uint8),
        np.array([5, 0, -6, 0, 0], np.int8),
        np.array([0x2F, 0x03, 0xFA], np.uint8),
    ]
    return build(blob.codec, blob.layout, blob.block_log2, 0, [[section] for section in sections]), expected


def _bitmap_leniency() -> tuple[Bytes, Weights]:
    """Bits of columns 1, 7, 8, 10 of 11, the second with value 0, and a row index of u32."""
    expected = np.zeros((1, 11), np.int8)
    expected[0, [1, 8, 10]] = [3, -128, 127]
    sections = [np.zeros(4, np.uint8), np.array([0x82, 0x05], np.uint8), np.array([3, 0, -128, 127], np.int8)]
    layout = parse(encode("bitmap", expected, 1)).layout
    return build(CODECS["bitmap"].number, layout, 0, 0b100, [[section] for section in sections]), expected


def _codes(shape: tuple[int, ...], bits: int, seed: int) -> NDArray[np.int64]:
    return noise(int(np.prod(shape)), seed).reshape(shape) % (1 << bits)


def _int8(values: NDArray[np.int64]) -> Weights:
    return values.astype(np.uint8).view(np.int8)


def _packed() -> dict[str, tuple[Weights, int, str]]:
    """Weights, row_dims and what they cover: every width, every mapping."""
    cases = {
        f"bits{bits}": (_int8(_codes((3, 37), bits, bits) - (1 << bits - 1)), 1, f"integers of {bits} bits, odd rows")
        for bits in range(1, 8)
    }
    values = np.cumsum(1 + noise(256, 80) % 15)
    cases["offset"] = (_int8(_codes((4, 40), 3, 81) + 120), 1, "integers from 120 to 127 in 3 bits")
    cases["table"] = (_int8(values[_codes((4, 45), 4, 82)]), 1, "16 values anywhere in one table")
    own = values[np.arange(6)[:, None] + 7 * _codes((6, 54), 2, 83)]
    cases["row_tables"] = (_int8(own).reshape(6, 3, 3, 6), 1, "four values in each output channel")
    own = values[np.arange(20) + 7 * _codes((49, 20), 2, 84)]
    cases["column_tables"] = (
        _int8(own).reshape(1, 7, 7, 20),
        3,
        "depthwise, four values in each channel",
    )
    return cases


def _noisy_padding(raw: Bytes, garbage: int) -> Bytes:
    """What readers ignore set to ones: bytes between sections, dCSR lanes beyond a row and the missing odd group."""
    blob = parse(raw)
    sections = [section.copy() for section in blob.sections]
    sections[4][garbage:] = 0xFF
    sections[4][:garbage] |= 0x0F
    sections[5][-1] |= 0x0F
    out = build(blob.codec, blob.layout, blob.block_log2, blob.flags, [[section] for section in sections])
    end = (40 + 4 * len(sections) + 15) // 16 * 16
    for section in sections:
        stop = end + section.nbytes
        end = (stop + 15) // 16 * 16
        out[stop:end] = 0xFF
    return out


def blobs() -> dict[str, tuple[Bytes, Weights, str]]:
    """Blob, weights and what it covers, by vector name."""
    result = {
        f"{codec}_{name}": (encode(codec, case.weights, case.row_dims, case.block_log2), case.weights, case.covers)
        for name, case in CASES.items()
        for codec in case.codecs
    }
    rows = CASES["empty_rows"]
    for codec in ("rle", "dcsr"):
        wide = _wide_fields(encode(codec, rows.weights, rows.row_dims, rows.block_log2))
        result[f"{codec}_wide_fields"] = (wide, rows.weights, "i32 row counts and u32 row index, wider than needed")
    wide = _wide_index(encode("huffman", rows.weights, rows.row_dims, rows.block_log2), entries=6)
    result["huffman_wide_index"] = (wide, rows.weights, "a row index of u32, wider than needed")
    result["rle_lenient"] = (
        *_rle_leniency(),
        "an element of value 0, a filler at the end, a last nibble that is not 0",
    )
    five = np.arange(1, 6, dtype=np.int8).reshape(1, 5)
    noisy = _noisy_padding(encode("dcsr", five, 1), garbage=5)
    result["dcsr_noisy_padding"] = (noisy, five, "ones in everything that readers ignore")
    for name, (weights, row_dims, covers) in _packed().items():
        result[f"packed_{name}"] = (encode("packed", weights, row_dims), weights, covers)
    result["bitmap_lenient"] = (*_bitmap_leniency(), "a stored value 0, a row index of u32")
    return result
