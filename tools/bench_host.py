"""Speed and memory of the codecs on this machine, one core: `make bench-host`.

Every measurement runs in a process of its own, so that its peak memory is its own. MB are 10^6 bytes of dense weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import STANDALONE, decode, encode, parse
from wpconvert.formats.tflite.file import read
from wpconvert.formats.tflite.weights import rewritable_weights

ROOT = Path(__file__).resolve().parent.parent
MOBILENET = ROOT.parent / "shared/models/mobilenetv2_cifar10/sparse80.tflite"
SYNTHETIC_MB = 500
SYNTHETIC_COLS = 1000
SPARSITY = 0.8
_REPEAT_S = 1.0

Matrix = NDArray[np.int8]


def synthetic(megabytes: int) -> list[tuple[Matrix, int]]:
    """One int8 matrix of that many MB with 80 % zeros, made in pieces so that making it costs no memory."""
    generator = np.random.default_rng(0)
    matrix = np.zeros((megabytes * 1_000_000 // SYNTHETIC_COLS, SYNTHETIC_COLS), np.int8)
    for first in range(0, len(matrix), 1000):
        piece = matrix[first : first + 1000]
        values = generator.integers(-127, 128, piece.shape, dtype=np.int8)
        piece[...] = values * (generator.random(piece.shape, dtype=np.float32) >= SPARSITY)
    return [(matrix, 1)]


def mobilenet() -> list[tuple[Matrix, int]]:
    """The int8 weights of MobileNetV2, every layer, dense ones too."""
    _, model = read(MOBILENET)
    return [(w.values, w.row_dims) for w in rewritable_weights(model)]


def four_bits(megabytes: int) -> list[tuple[Matrix, int]]:
    """One int8 matrix of that many MB with values from −8 to 7."""
    generator = np.random.default_rng(0)
    shape = (megabytes * 1_000_000 // SYNTHETIC_COLS, SYNTHETIC_COLS)
    return [(generator.integers(-8, 8, shape, dtype=np.int8), 1)]


SOURCES: dict[str, Callable[[], list[tuple[Matrix, int]]]] = {
    "mobilenet": mobilenet,
    "synthetic": lambda: synthetic(SYNTHETIC_MB),
    "four_bits": lambda: four_bits(SYNTHETIC_MB),
}


def peak_nbytes() -> int:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def timed(action: Callable[[], object]) -> float:
    """Best time of one call, in seconds; short ones are repeated for about a second."""
    best, until = float("inf"), time.perf_counter() + _REPEAT_S
    while True:
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
        if time.perf_counter() >= until:
            return best


def measure_encoding(source: str, codec: str, blobs: Path) -> dict[str, Any]:
    """Encode all matrices of a source and store the blobs; the peak counts everything above the bare interpreter."""
    bare = peak_nbytes()
    weights = SOURCES[source]()
    nbytes = sum(matrix.size for matrix, _ in weights)
    seconds = timed(lambda: [encode(codec, matrix, row_dims) for matrix, row_dims in weights])
    peak = (peak_nbytes() - bare) / nbytes
    encoded = [encode(codec, matrix, row_dims) for matrix, row_dims in weights]
    np.savez(blobs, *encoded)
    digest = hashlib.sha256()
    for matrix, _ in weights:
        digest.update(np.ascontiguousarray(matrix).data)
    stored = sum(blob.nbytes for blob in encoded)
    return {"nbytes": nbytes, "stored": stored, "mb_s": nbytes / seconds / 1e6, "peak": peak, "sha": digest.hexdigest()}


def measure_decoding(blobs: Path) -> dict[str, Any]:
    """Decode stored blobs; the digest shows that they are what was encoded."""
    bare = peak_nbytes()
    with np.load(blobs) as stored:
        encoded = [stored[name] for name in stored.files]
    nbytes = sum(parse(blob).rows * parse(blob).cols for blob in encoded)
    seconds = timed(lambda: [decode(blob) for blob in encoded])
    peak = (peak_nbytes() - bare) / nbytes
    digest = hashlib.sha256()
    for blob in encoded:
        digest.update(decode(blob).data)
    return {"mb_s": nbytes / seconds / 1e6, "peak": peak, "sha": digest.hexdigest()}


def in_child(*arguments: str) -> dict[str, Any]:
    """One measurement in a fresh process."""
    command = [sys.executable, __file__, "--child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench-host: measuring {' '.join(arguments)} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def row(source: str, codec: str) -> str:
    """Measure one codec on one source; exits when the decoded weights are not the encoded ones."""
    with tempfile.TemporaryDirectory() as folder:
        blobs = Path(folder) / "blobs.npz"
        there = in_child("encode", source, codec, str(blobs))
        back = in_child("decode", str(blobs))
    if there["sha"] != back["sha"]:
        sys.exit(f"bench-host: {codec} on {source} is not lossless")
    # For a small model the interpreter's own noise is larger than the weights.
    peaks = f"{there['peak']:8.2f} {back['peak']:8.2f}" if there["nbytes"] > 1e8 else f"{'–':>8} {'–':>8}"
    return (
        f"{source:<10} {codec:<7} {there['nbytes'] / 1e6:8.1f} {there['stored'] / 1e6:8.2f}"
        f" {there['mb_s']:12.0f} {back['mb_s']:12.0f} {peaks}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    child = parser.parse_args().child
    if child and child[0] == "encode":
        print(json.dumps(measure_encoding(child[1], child[2], Path(child[3]))))
        return
    if child:
        print(json.dumps(measure_decoding(Path(child[1]))))
        return
    print("                  dense   stored       encode       decode     peak memory / dense")
    print("weights    codec      MB       MB         MB/s         MB/s   encode   decode")
    for source in SOURCES:
        if source == "mobilenet" and not MOBILENET.exists():
            print(f"{source:<10} skipped: no {MOBILENET.relative_to(ROOT.parent)} beside the repository")
            continue
        for codec in STANDALONE:
            # `packed` holds few distinct values only.
            if codec != "packed" or source == "four_bits":
                print(row(source, codec), flush=True)


if __name__ == "__main__":
    main()
