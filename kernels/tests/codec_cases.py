"""Blobs and tables for codec_cases.c: the golden vectors, and mutations of them with the reference reader's verdict.

python kernels/tests/codec_cases.py FILE [--count N] [--seed S]
"""

from __future__ import annotations

import argparse
import csv
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wpconvert import codecs
from wpconvert.codecs import pool_table
from wpconvert.errors import ModelError
from wpconvert.graph.custom import table

_VECTORS = Path(__file__).parents[2] / "tests" / "vectors"
_BLOB, _TABLE, _RESCALE, _POOLED_BLOB, _POOL = range(5)
_HEADER_NBYTES = 72


def _verdict(kind: int, raw: NDArray[np.uint8]) -> bytes | None:
    """What the reference reader makes of it; None if it refuses."""
    try:
        if kind == _BLOB:
            return codecs.decode(raw).tobytes()
        if kind == _POOLED_BLOB:
            nbytes = int(raw[:4].view("<u4")[0])
            return codecs.decode(raw[4 + nbytes :], pool_table.unpack(raw[4 : 4 + nbytes])).tobytes()
        if kind == _POOL:
            pool = pool_table.unpack(raw)
            return struct.pack("<4I", pool.size, pool.lut_bits, pool.lut_shift, pool.lut) + pool.vectors.tobytes()
        parsed = table.unpack(raw)
    except ModelError:
        return None
    fields = (parsed.input_zero_point, parsed.output_zero_point, parsed.activation_min, parsed.activation_max)
    return struct.pack("<4b", *fields) + b"".join(
        part.tobytes() for part in (parsed.bias, parsed.multiplier, parsed.shift)
    )


def _mutate(raw: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A copy with a byte or more changed, or cut short, or longer."""
    out = raw.copy()
    choice = rng.random()
    if choice < 0.05:
        return out[: rng.integers(0, len(out))]
    if choice < 0.1:
        return np.append(out, np.zeros(16, np.uint8))
    for _ in range(int(rng.integers(1, 4))):
        # Half of them in the header and the row index, where a change matters most.
        limit = min(len(out), _HEADER_NBYTES) if rng.random() < 0.5 else len(out)
        at = int(rng.integers(0, limit))
        out[at] = rng.integers(0, 256) if rng.random() < 0.5 else out[at] ^ (1 << int(rng.integers(0, 8)))
    return out


def _mutate_source(kind: int, raw: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A damaged copy; of a pool and a blob, either of them."""
    if kind != _POOLED_BLOB:
        return _mutate(raw, rng)
    end = 4 + int(raw[:4].view("<u4")[0])
    return (
        _with_pool(raw[4:end], _mutate(raw[end:], rng))
        if rng.random() < 0.8
        else _with_pool(_mutate(raw[4:end], rng), raw[end:])
    )


def _with_pool(pool: NDArray[np.uint8], blob: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([np.array([len(pool)], "<u4").view(np.uint8), pool, blob])


def _record(kind: int, raw: bytes, expected: bytes | None) -> bytes:
    head = struct.pack("<4I", kind, len(raw), int(expected is not None), len(expected or b""))
    return head + raw + (expected or b"")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    sources: list[tuple[int, NDArray[np.uint8]]] = []
    records = []
    for path in sorted(_VECTORS.glob("*.blob")):
        kind, raw = _BLOB, np.fromfile(path, np.uint8)
        if path.with_suffix(".pool").exists():
            pool = np.fromfile(path.with_suffix(".pool"), np.uint8)
            kind, raw = _POOLED_BLOB, _with_pool(pool, raw)
            sources.append((_POOL, pool))
            records.append(_record(_POOL, pool.tobytes(), _verdict(_POOL, pool)))
        sources.append((kind, raw))
        records.append(_record(kind, raw.tobytes(), path.with_suffix(".weights").read_bytes()))
    for path in sorted(_VECTORS.glob("*.bin")):
        raw = np.fromfile(path, np.uint8)
        sources.append((_TABLE, raw))
        records.append(_record(_TABLE, raw.tobytes(), _verdict(_TABLE, raw)))
    with (_VECTORS / "rescale.csv").open() as file:
        for row in list(csv.reader(file))[1:]:
            values = [int(value) for value in row]
            records.append(_record(_RESCALE, struct.pack("<3i", *values[:3]), struct.pack("<i", values[3])))
    for _ in range(arguments.count):
        kind, raw = sources[int(rng.integers(0, len(sources)))]
        mutated = _mutate_source(kind, raw, rng)
        records.append(_record(kind, mutated.tobytes(), _verdict(kind, mutated)))
    arguments.file.write_bytes(struct.pack("<I", len(records)) + b"".join(records))


if __name__ == "__main__":
    main()
