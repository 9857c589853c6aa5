"""Builds and runs stranger.c, the decoder that was written from docs/FORMAT.md alone."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from wpconvert.codecs import Pool

_SOURCE = Path(__file__).with_name("stranger.c")
_SANITIZERS = "-fsanitize=address,undefined"
_FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", _SANITIZERS, "-fno-sanitize-recover=all"]
_TIMEOUT_S = 120


class Kind(IntEnum):
    """What a record asks of the program."""

    BLOB = 0
    TABLE = 1
    RESCALE = 2
    POOLED_BLOB = 3
    POOL = 4
    POOL_SUMS = 5


@dataclass(frozen=True)
class Answer:
    """`status` is 0 or the number of an enum status of stranger.c; `payload` is empty then."""

    status: int
    payload: bytes


class Stranger:
    """The compiled program."""

    def __init__(self, program: Path, scratch: Path) -> None:
        self._program = program
        self._scratch = scratch

    def ask(self, records: Iterable[tuple[Kind, bytes]]) -> list[Answer]:
        """One answer per record, from one process; a sanitizer report fails the test."""
        questions, answers = self._scratch / "questions", self._scratch / "answers"
        questions.write_bytes(b"".join(struct.pack("<II", kind, len(data)) + data for kind, data in records))
        result = subprocess.run(
            [self._program, questions, answers], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
        return list(_split(answers.read_bytes()))

    def decode(self, blobs: Sequence[NDArray[np.uint8]], pools: Sequence[Pool | None]) -> list[NDArray[np.int8] | None]:
        """The weights of each blob, with its pool, in memory order; None for a blob that is refused."""
        answers = self.ask(
            (Kind.BLOB, blob.tobytes())
            if pool is None
            else (Kind.POOLED_BLOB, _with_pool(pool.pack().tobytes(), blob.tobytes()))
            for blob, pool in zip(blobs, pools, strict=True)
        )
        return [None if answer.status else np.frombuffer(answer.payload, np.int8) for answer in answers]

    def rescale(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """rescale() of int32[n, 3] rows of accumulator, multiplier, shift."""
        (answer,) = self.ask([(Kind.RESCALE, rows.astype("<i4").tobytes())])
        assert answer.status == 0
        return np.frombuffer(answer.payload, "<i4")

    def pool_sums(self, tensor: bytes, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """Eight levels and their sum, int32[n, 9], of rows of act_bits, zero point, vector and eight activations."""
        (answer,) = self.ask([(Kind.POOL_SUMS, _with_pool(tensor, rows.astype("<i4").tobytes()))])
        assert answer.status == 0
        return np.frombuffer(answer.payload, "<i4").reshape(-1, 9)


def _with_pool(tensor: bytes, rest: bytes) -> bytes:
    return struct.pack("<I", len(tensor)) + tensor + rest


def _split(data: bytes) -> Iterable[Answer]:
    position = 0
    while position < len(data):
        status, nbytes = struct.unpack_from("<II", data, position)
        yield Answer(status, data[position + 8 : position + 8 + nbytes])
        position += 8 + nbytes


def build_stranger(scratch: Path) -> Stranger:
    """Compile the program; skips the test where there is no C compiler with sanitizers."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (gcc or cc) on PATH")
    probe = scratch / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    linked = subprocess.run([compiler, _SANITIZERS, probe, "-o", scratch / "probe"], capture_output=True, check=False)
    if linked.returncode:
        pytest.skip(f"{compiler} cannot link {_SANITIZERS}")
    program = scratch / "stranger"
    built = subprocess.run([compiler, *_FLAGS, _SOURCE, "-o", program], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return Stranger(program, scratch)
