"""Golden vectors of docs/FORMAT.md in tests/vectors: `python -m tools.make_vectors`.

Everything is computed from integers alone, so that every machine and every NumPy makes the same bytes. rescale.csv is
worked out with Python's integers, literally as the document says, and not by the code that the vectors are to check.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import CODECS, encode, parse
from wpconvert.codecs.blob import build
from wpconvert.tflite.table import RequantTable

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "vectors"
COMMAND = "python -m tools.make_vectors"

Weights = NDArray[np.int8]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """A tensor that every codec, or those in `codecs`, stores. `covers` is its line in the README."""

    covers: str
    weights: Weights
    row_dims: int = 1
    block_log2: int = 4
    codecs: tuple[str, ...] = tuple(name for name in CODECS if name != "packed")


def noise(count: int, seed: int) -> NDArray[np.int64]:
    """`count` well-mixed integers in 0 … 65535, by an integer hash of their position."""
    x = np.arange(count, dtype=np.uint64) + np.uint64(seed) * np.uint64(1_000_003)
    for _ in range(2):
        x = (x ^ (x >> np.uint64(15))) * np.uint64(0x9E3779B1) & np.uint64(0xFFFFFFFF)
    return (x >> np.uint64(16)).astype(np.int64)


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
}


def _wide_fields(raw: Bytes) -> Bytes:
    """Row counts as i32 and a row index of u32, wider than needed, which readers accept."""
    blob = parse(raw)
    index = blob.sections[0].view("<u2").astype("<u4")
    counts = blob.sections[1].view("i1").astype("<i4")
    return build(
        blob.codec, blob.layout, blob.block_log2, 0b110, [[index], [counts], *([s] for s in blob.sections[2:])]
    )


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


TABLES: dict[str, RequantTable] = {
    "table": RequantTable(
        bias=np.array([0, 1, -1, 2**31 - 1, -(2**31)], np.int32),
        multiplier=np.array([0, 2**30, 2**31 - 1, 1518500250, 1073741825], np.int32),
        shift=np.array([0, -31, 30, -7, 1], np.int8),
        input_zero_point=-128,
        output_zero_point=127,
        activation_min=-128,
        activation_max=127,
        has_bias=True,
    ),
    "table_per_tensor": RequantTable(
        bias=np.array([-1234, 5678, 91011], np.int32),
        multiplier=np.array([1995000000], np.int32),
        shift=np.array([-9], np.int8),
        input_zero_point=3,
        output_zero_point=-4,
        activation_min=-4,
        activation_max=96,
        has_bias=False,
    ),
    "table_narrow": RequantTable(
        bias=np.array([2**20 + 77 * c * c for c in range(11)], np.int32),
        multiplier=np.array([1100000000 + 12345678 * c for c in range(11)], np.int32),
        shift=np.array([-8 - c % 3 for c in range(11)], np.int8),
        input_zero_point=-5,
        output_zero_point=6,
        activation_min=-128,
        activation_max=127,
        has_bias=True,
    ),
}
TABLES_COVER = {
    "table": "five channels with a multiplier each, a bias, the extremes of every field",
    "table_per_tensor": "one multiplier for three channels, no bias, a clamp",
    "table_narrow": "eleven channels with fields of 13, 27 and 2 bits",
}


def table_fields(table: RequantTable) -> dict[str, int | bool | list[int]]:
    """The fields of a table as JSON holds them."""
    return {
        "has_bias": table.has_bias,
        "channels": table.channels,
        "multipliers": len(table.multiplier),
        "input_zero_point": table.input_zero_point,
        "output_zero_point": table.output_zero_point,
        "activation_min": table.activation_min,
        "activation_max": table.activation_max,
        "bias": [int(v) for v in table.bias],
        "multiplier": [int(v) for v in table.multiplier],
        "shift": [int(v) for v in table.shift],
    }


def rescale(acc: int, m: int, s: int) -> int:
    """rescale(acc, m, s) of docs/FORMAT.md, in exact integers."""
    left, right = max(s, 0), max(-s, 0)
    wrapped = ((acc << left) + 2**31) % 2**32 - 2**31
    h = min((wrapped * m + 2**30) // 2**31, 2**31 - 1)
    magnitude = (2 * abs(h) + (1 << right)) >> (right + 1)
    return magnitude if h >= 0 else -magnitude


def rescale_arguments() -> list[tuple[int, int, int]]:
    """Accumulator, multiplier and shift of each row of rescale.csv."""
    low, high, half = -(2**31), 2**31 - 1, 2**30
    rows = [(0, half, 0), (1, 0, 0), (low, 0, 30), (high, high, 0), (low, high, 0), (high, half, 0), (low, half, 0)]
    # Halves in the high multiply: acc / 2 is rounded up, towards plus infinity.
    rows += [(acc, half, 0) for acc in range(-5, 6)]
    # Halves in the right shift: rounded away from zero. 2^31 − 1 keeps small accumulators as they are.
    rows += [(acc, high, -1) for acc in range(-5, 6)]
    rows += [(acc, high, -2) for acc in (-7, -6, -5, -3, -2, -1, 1, 2, 3, 5, 6, 7)]
    # Both roundings: what rounding once would give differs.
    rows += [(acc, half, shift) for acc in (-11, -7, -3, -1, 1, 3, 7, 11) for shift in (-1, -2, -3)]
    # Left shifts, some of which wrap.
    rows += [(acc, m, s) for acc in (-3, 1, 100_000) for m in (half, high) for s in (1, 7, 15, 30)]
    # Everything is shifted out, or nearly.
    rows += [(acc, high, s) for acc in (low, low + 1, -half, half, high) for s in (-29, -30, -31)]
    mixed = noise(3 * 40, 90)
    for position in range(40):
        a, b, c = (int(v) for v in mixed[3 * position : 3 * position + 3])
        rows.append(((a - 32768) * 37 * (1 + b % 50), half + (b * 16383 + c) % half, c % 26 - 20))
    return rows


def _rescale_csv() -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["accumulator", "multiplier", "shift", "expected"])
    writer.writerows((*row, rescale(*row)) for row in rescale_arguments())
    return out.getvalue().encode()


def _readme(vectors: dict[str, tuple[Bytes, Weights, str]]) -> bytes:
    lines = [
        "# Golden vectors",
        "",
        "Files to check a reader of [docs/FORMAT.md](../../docs/FORMAT.md) against. Made, with this file, by",
        "",
        f"    {COMMAND}",
        "",
        "`NAME.blob` is a blob, `NAME.weights` the int8 weights it decodes to, in memory order. NAME is CODEC_CASE.",
        "",
        "| case | codecs | shape | row_dims | covers |",
        "|---|---|---|---|---|",
    ]
    codecs_of: dict[str, list[str]] = {}
    for name in vectors:
        codec, _, case = name.partition("_")
        codecs_of.setdefault(case, []).append(codec)
    for case, codecs in codecs_of.items():
        raw, weights, covers = vectors[f"{codecs[0]}_{case}"]
        row_dims = parse(raw).layout.row_dims
        lines.append(f"| {case} | {', '.join(codecs)} | {list(weights.shape)} | {row_dims} | {covers} |")
    lines += [
        "",
        "`NAME.bin` is a requantisation table, `NAME.json` its fields.",
        "",
        "| name | covers |",
        "|---|---|",
        *(f"| {name} | {TABLES_COVER[name]} |" for name in TABLES),
        "",
        "`rescale.csv` has accumulator, multiplier, shift and the result of `rescale`: halves of both signs in either",
        "of the two roundings, extremes, left shifts that wrap, right shifts up to 31.",
        "",
    ]
    return "\n".join(lines).encode()


def files() -> dict[str, bytes]:
    """The content of every file of the folder, by name."""
    vectors = blobs()
    result = {"README.md": _readme(vectors), "rescale.csv": _rescale_csv()}
    for name, (raw, weights, _) in vectors.items():
        result[f"{name}.blob"] = raw.tobytes()
        result[f"{name}.weights"] = np.ascontiguousarray(weights).tobytes()
    for name, table in TABLES.items():
        result[f"{name}.bin"] = table.pack().tobytes()
        result[f"{name}.json"] = (json.dumps(table_fields(table), indent=1) + "\n").encode()
    return result


def main() -> None:
    """Write the folder, and remove from it what is no vector any more."""
    wanted = files()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        (FOLDER / name).write_bytes(content)
    print(f"{FOLDER}: {len(wanted)} files, {sum(map(len, wanted.values())):,} bytes")


if __name__ == "__main__":
    main()
