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

_SOURCE = Path(__file__).with_name("stranger.c")
_SANITIZERS = "-fsanitize=address,undefined"
_FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", _SANITIZERS, "-fno-sanitize-recover=all"]
_TIMEOUT_S = 120


class Kind(IntEnum):
    """What a record asks of the program."""

    BLOB = 0
    TABLE = 1
    RESCALE = 2


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

    def decode(self, blobs: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.int8] | None]:
        """The weights of each blob in memory order, None for a blob that is refused."""
        answers = self.ask((Kind.BLOB, blob.tobytes()) for blob in blobs)
        return [None if answer.status else np.frombuffer(answer.payload, np.int8) for answer in answers]

    def rescale(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """rescale() of int32[n, 3] rows of accumulator, multiplier, shift."""
        (answer,) = self.ask([(Kind.RESCALE, rows.astype("<i4").tobytes())])
        assert answer.status == 0
        return np.frombuffer(answer.payload, "<i4")


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
