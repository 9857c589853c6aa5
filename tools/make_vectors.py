"""Golden vectors of docs/FORMAT.md in tests/vectors: `python -m tools.make_vectors`.

Everything is computed from integers alone, so that every machine and every NumPy makes the same bytes. rescale.csv and
the sums of pools are worked out with Python's integers, literally as the document says, and not by the code that the
vectors are to check.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tools.vectors.blobs import Bytes, Weights, blobs
from tools.vectors.numbers import rescale_csv
from tools.vectors.pools import PoolVector, pool_sums_csv, pools
from tools.vectors.tables import TABLES, TABLES_COVER, WEIGHT_SCALES, table_fields
from wpconvert.codecs import parse

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "vectors"
COMMAND = "python -m tools.make_vectors"


def _readme(vectors: dict[str, tuple[Bytes, Weights, str]], pooled: dict[str, PoolVector]) -> bytes:
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
        "Of codec pool there is also `NAME.pool`, the pool tensor; every other blob stands alone.",
        "",
        "| NAME | shape | vectors | lut_bits | lut_shift | lut | covers |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| pool_{name} | {list(v.weights.shape)} | {v.pool.size} | {v.pool.lut_bits} | {v.pool.lut_shift} "
            f"| {v.pool.lut.value} | {v.covers} |"
            for name, v in pooled.items()
        ),
        "",
        "`pool_sums.csv` has the levels of eight activations and their sum f with a vector of one of these pools, for",
        "several act_bits and zero points.",
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
    vectors, pooled = blobs(), pools()
    result = {"README.md": _readme(vectors, pooled), "rescale.csv": rescale_csv(), "pool_sums.csv": pool_sums_csv()}
    for name, (raw, weights, _) in vectors.items():
        result[f"{name}.blob"] = raw.tobytes()
        result[f"{name}.weights"] = np.ascontiguousarray(weights).tobytes()
    for name, vector in pooled.items():
        result[f"pool_{name}.blob"] = vector.blob.tobytes()
        result[f"pool_{name}.weights"] = vector.weights.tobytes()
        result[f"pool_{name}.pool"] = vector.pool.pack().tobytes()
    for name, table in TABLES.items():
        result[f"{name}.bin"] = table.pack(WEIGHT_SCALES if name == "table_scaled" else None).tobytes()
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
