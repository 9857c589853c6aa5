"""Converts a model with each method and benchmarks the result on each board."""

from __future__ import annotations

import hashlib
import io
import lzma
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wpconvert.benchmark.measure import NO_ERROR_TEXTS, benchmark
from wpconvert.codecs import STANDALONE
from wpconvert.engines.inputs import random_inputs
from wpconvert.engines.reference import ReferenceEngine
from wpconvert.errors import UnsupportedError, VerificationError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.weights import rewritable_weights
from wpconvert.job.convert import Converted, convert_bytes
from wpconvert.model.goal import BALANCED, FILE, SPEED, Goal
from wpconvert.model.rules import Rules
from wpconvert.model.settings import Settings
from wpconvert.report.inspection import entropy_bits
from wpconvert.target.board import Board, boards

DENSE = "as it is"
AUTO: dict[str, tuple[str, float | None]] = {
    "auto file": (FILE, float("inf")),
    "auto balanced": (BALANCED, None),
    "auto speed": (SPEED, None),
}
"""What is optimised, and the slowdown: the smallest file, and what the command does for flash and for speed."""
DEFAULT = "default"
"""What the command does with nothing but a target: -m auto, not stripped."""
METHODS = (DENSE, DEFAULT, *STANDALONE, *AUTO)
_MULTIPLIED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


@dataclass(frozen=True)
class Facts:
    """A model as it came. entropy_nbytes: order-0, of all int8 weights. zip_nbytes, xz_nbytes: the file packed."""

    name: str
    file_nbytes: int
    weights: int
    zeros: int
    entropy_nbytes: int
    zip_nbytes: int
    xz_nbytes: int


@dataclass(frozen=True)
class Row:
    """One model by one method on one board.

    file_nbytes: stripped, except as it is and by default. weights_nbytes: of all int8 weights as stored, those left
    dense included.
    operators: instructions by kind of operator.
    """

    name: str
    method: str
    board: str
    file_nbytes: int
    weights_nbytes: int
    instructions: int
    modelled_cycles: int
    arena_nbytes: int
    code_nbytes: int
    operators: dict[str, int]

    @property
    def flash_nbytes(self) -> int:
        """Model and code."""
        return self.file_nbytes + self.code_nbytes


def name_of(path: Path) -> str:
    """How tables call a model: `folder/stem`."""
    return f"{path.parent.name}/{path.stem}"


def facts_of(path: Path) -> Facts:
    """What there is to say of a model before it is rewritten."""
    data = path.read_bytes()
    found = [w.values for w in rewritable_weights(parse(data)) if _MULTIPLIED & {*w.operators}]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.writestr(path.name, data)
    return Facts(
        name_of(path),
        len(data),
        sum(w.size for w in found),
        sum(int((w == 0).sum()) for w in found),
        round(sum(entropy_bits(w) * w.size / 8 for w in found)),
        len(archive.getvalue()),
        len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)),
    )


@cache
def expected_sha256(path: Path) -> str:
    """Of the outputs that the reference interpreter gives."""
    model = parse(path.read_bytes())
    outputs = ReferenceEngine().run(model, random_inputs(model, 1, seed=0).samples, lambda: None)[0]
    return hashlib.sha256(b"".join(output.tobytes() for output in outputs)).hexdigest()


@cache
def _converted(path: Path, method: str, goal: Goal | None, strip: bool = True) -> Converted:
    return convert_bytes(path.read_bytes(), Settings(method, Rules(rules=[]), strip=strip, goal=goal))


def stored(path: Path, method: str, board: Board) -> tuple[bytes, int] | None:
    """The file of a version for a board, and bytes of its weights. None where a method rewrites nothing."""
    if method == DENSE:
        return path.read_bytes(), facts_of(path).weights
    if method == DEFAULT:
        converted = _converted(path, "auto", Goal(board.name, board.core), strip=False)
    elif method in AUTO:
        converted = _converted(path, "auto", Goal(board.name, board.core, *AUTO[method]))
    else:
        converted = _converted(path, method, None)
    if not converted.report.rewritten and method != DEFAULT:
        return None
    tensors = [tensor for tensor in converted.report.tensors if _MULTIPLIED & {*tensor.operators}]
    return converted.data, sum(tensor.nbytes_after for tensor in tensors)


def measure(path: Path, method: str, board: Board) -> Row | None:
    """One row; None where the method rewrites nothing.

    Raises what benchmark raises, and VerificationError unless the outputs are those of the reference interpreter.
    """
    version = stored(path, method, board)
    if version is None:
        return None
    data, weights_nbytes = version
    original = parse(path.read_bytes())
    sample = random_inputs(original, 1, seed=0).samples[0]
    result = benchmark(str(path), data, parse(data), board, sample, defines=(NO_ERROR_TEXTS,))
    if result.outputs_sha256 != expected_sha256(path):
        raise VerificationError(f"{path}, {method} on {board.name}: not the outputs of the reference interpreter")
    operators: dict[str, int] = {}
    for layer in result.layers:
        operators[layer.operator] = operators.get(layer.operator, 0) + layer.instructions
    return Row(
        name_of(path),
        method,
        board.name,
        len(data),
        weights_nbytes,
        result.instructions,
        result.modelled_cycles,
        result.arena_nbytes,
        result.code_nbytes,
        operators,
    )


def measure_all(path: Path, targets: Sequence[str]) -> Iterator[Row | str]:
    """All rows of a model; a reason instead of the rows of a board that cannot run it."""
    for target in targets:
        for method in METHODS:
            try:
                row = measure(path, method, boards()[target])
            except UnsupportedError as error:
                reason = str(error).removeprefix(f"{target} cannot run this model: ")
                yield f"`{name_of(path)}` on {target}: {reason}"
                break
            if row is not None:
                yield row
