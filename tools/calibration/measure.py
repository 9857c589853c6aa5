"""Models, measured on a board; what was measured once is kept next to wpconvert's build results."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from tools.calibration.fit import Measured
from wpconvert.benchmark.flash import BOARD, MODEL, PADDING
from wpconvert.benchmark.measure import benchmark
from wpconvert.engines.inputs import random_inputs
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.plan.layers import layers_of
from wpconvert.target.board import Board, board_named
from wpconvert.target.cache import cached, digest
from wpconvert.target.firmware import build_firmware

_SEED = 1
_FILE = "counts.json"


@dataclass(frozen=True)
class Counts:
    """Of one inference: instructions and modelled cycles of every operator, and of the interpreter between them.

    code_nbytes: flash of kernels, runtime and C library.
    """

    operators: list[tuple[int, int]]
    interpreter: tuple[int, int]
    code_nbytes: int

    @property
    def total(self) -> tuple[int, int]:
        """Instructions and modelled cycles of the model."""
        instructions, cycles = zip(*self.operators, self.interpreter, strict=True)
        return sum(instructions), sum(cycles)


def measure(board: Board, models: Iterable[bytes], pool: Executor) -> tuple[list[Measured], list[float]]:
    """All operators of the models, and what the interpreter takes for each: instructions and cycles."""
    build_firmware(board)
    jobs = [(data, pool.submit(counts_of, board.name, data)) for data in models]
    measured: list[Measured] = []
    interpreter = [0.0, 0.0]
    for data, job in jobs:
        counts = job.result()
        for layer, (instructions, cycles) in zip(layers_of(read_graph(parse(data))), counts.operators, strict=True):
            measured.append(Measured(layer, instructions, cycles))
        interpreter = [total + part for total, part in zip(interpreter, counts.interpreter, strict=True)]
    return measured, [part / len(measured) for part in interpreter]


def counts_of(name: str, data: bytes) -> Counts:
    """Of a model on the board of this name. Raises what running on a board raises."""
    board = board_named(name)
    table = resources.files("wpconvert.benchmark") / "costs" / f"{board.core.lower()}.toml"
    key = digest([build_firmware(board).name.encode(), table.read_bytes(), data])

    def make(folder: Path) -> None:
        model = parse(data)
        found = benchmark("calibration", data, model, board, random_inputs(model, 1, _SEED).samples[0])
        operators = [(layer.instructions, layer.modelled_cycles) for layer in found.layers]
        interpreter = (found.interpreter_instructions, found.interpreter_modelled_cycles)
        code = sum(nbytes for part, nbytes in found.flash_nbytes.items() if part not in (BOARD, MODEL, PADDING))
        (folder / _FILE).write_text(json.dumps(asdict(Counts(operators, interpreter, code))), encoding="utf-8")

    found = json.loads((cached("counts", key, make) / _FILE).read_text(encoding="utf-8"))
    operators = [(row[0], row[1]) for row in found["operators"]]
    return Counts(operators, (found["interpreter"][0], found["interpreter"][1]), found["code_nbytes"])
