"""Cases for codec_cases.c: the golden vectors, and mutations of them with the verdict of the reference reader.

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
from wpconvert.tflite import table

_VECTORS = Path(__file__).parents[2] / "tests" / "vectors"
_BLOB, _TABLE, _RESCALE, _POOL = 0, 1, 2, 3
_HEADER_NBYTES = 72


def _verdict(kind: int, raw: NDArray[np.uint8], pool: bytes) -> bytes | None:
    """What the reference reader makes of it; None if it refuses. pool: what a blob is made of, or nothing."""
    try:
        if kind == _BLOB:
            beside = pool_table.unpack(np.frombuffer(pool, np.uint8)) if pool else None
            return codecs.decode(raw, beside).tobytes()
        if kind == _POOL:
            return pool_table.unpack(raw).vectors.tobytes()
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


def _record(kind: int, raw: bytes, expected: bytes | None, pool: bytes = b"") -> bytes:
    head = struct.pack("<5I", kind, len(raw), int(expected is not None), len(expected or b""), len(pool))
    return head + raw + (expected or b"") + pool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    sources: list[tuple[int, NDArray[np.uint8], bytes]] = []
    records = []
    for path in sorted(_VECTORS.glob("*.blob")):
        beside = path.with_suffix(".pool")
        pool = beside.read_bytes() if beside.exists() else b""
        sources.append((_BLOB, np.fromfile(path, np.uint8), pool))
        records.append(_record(_BLOB, path.read_bytes(), path.with_suffix(".weights").read_bytes(), pool))
    for path in sorted(_VECTORS.glob("*.pool")):
        raw = np.fromfile(path, np.uint8)
        sources.append((_POOL, raw, b""))
        records.append(_record(_POOL, raw.tobytes(), _verdict(_POOL, raw, b"")))
    for path in sorted(_VECTORS.glob("*.bin")):
        raw = np.fromfile(path, np.uint8)
        sources.append((_TABLE, raw, b""))
        records.append(_record(_TABLE, raw.tobytes(), _verdict(_TABLE, raw, b"")))
    with (_VECTORS / "rescale.csv").open() as file:
        for row in list(csv.reader(file))[1:]:
            values = [int(value) for value in row]
            records.append(_record(_RESCALE, struct.pack("<3i", *values[:3]), struct.pack("<i", values[3])))
    for _ in range(arguments.count):
        kind, raw, pool = sources[int(rng.integers(0, len(sources)))]
        mutated = _mutate(raw, rng)
        records.append(_record(kind, mutated.tobytes(), _verdict(kind, mutated, pool), pool))
    arguments.file.write_bytes(struct.pack("<I", len(records)) + b"".join(records))


if __name__ == "__main__":
    main()
