"""Instructions, arena and flash of every model on every simulated board: docs/BENCH.md and a table for README.md.

    python tools/bench_targets.py [FOLDER …] [--target T …] [--write]

Takes the shipped models and every .tflite below the given folders, as they are and rewritten with each method. Ratios
are against TFLM with CMSIS-NN where tools/stock_tflm.json has its numbers. --write puts the tables into docs/BENCH.md
and README.md; without it they are printed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wpconvert.bench.measure import NO_ERROR_TEXTS, benchmark
from wpconvert.bench.result import Benchmark
from wpconvert.engines.inputs import random_inputs
from wpconvert.engines.reference import ReferenceEngine
from wpconvert.errors import UnsupportedError, VerificationError
from wpconvert.model.rules import Rules
from wpconvert.target.board import Board, boards
from wpconvert.tflite.convert import Settings, convert
from wpconvert.tflite.file import parse

ROOT = Path(__file__).resolve().parent.parent
README, REPORT = ROOT / "README.md", ROOT / "docs" / "BENCH.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
METHODS = ("dcsr", "rle")
STOCK = json.loads((ROOT / "tools" / "stock_tflm.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Stock:
    """TFLM with CMSIS-NN on the same model and core; None where it was not measured."""

    instructions: int
    arena_nbytes: int | None
    flash_nbytes: int


@dataclass(frozen=True)
class Row:
    """One model on one board: as it is, and by method; None where a method rewrites nothing."""

    name: str
    board: str
    stock: Stock | None
    dense: Benchmark
    rewritten: dict[str, Benchmark | None]


def stock_of(name: str, board: str) -> Stock | None:
    """The recorded numbers of a model, `folder/stem`."""
    entry: dict[str, list[Any]] | None = STOCK["models"].get(STOCK["same_as"].get(name, name))
    if entry is None or board not in STOCK["targets"]:
        return None
    column = STOCK["targets"].index(board)
    return Stock(*(entry[key][column] for key in ("instructions", "arena_nbytes", "flash_nbytes")))


@cache
def expected_sha256(path: Path) -> str:
    """Of the outputs that the reference interpreter gives."""
    model = parse(path.read_bytes())
    outputs = ReferenceEngine().run(model, random_inputs(model, 1, seed=0).samples, lambda: None)[0]
    return hashlib.sha256(b"".join(output.tobytes() for output in outputs)).hexdigest()


def measure(path: Path, board: Board) -> Row:
    """All versions of a model on a board. Raises what benchmark raises, and VerificationError for a wrong output."""
    data = path.read_bytes()
    model = parse(data)
    sample = random_inputs(model, 1, seed=0).samples[0]
    dense = benchmark(str(path), data, model, board, sample, defines=(NO_ERROR_TEXTS,))
    rewritten: dict[str, Benchmark | None] = {}
    for method in METHODS:
        converted = convert(str(path), data, Settings(method, Rules(rules=[])))
        rewritten[method] = None
        if converted.report.rewritten:
            result = benchmark(
                str(path), converted.data, parse(converted.data), board, sample, defines=(NO_ERROR_TEXTS,)
            )
            rewritten[method] = result
    for version, found in {"dense": dense, **rewritten}.items():
        if found is not None and found.outputs_sha256 != expected_sha256(path):
            raise VerificationError(f"{path} on {board.name}, {version}: not the outputs of the reference interpreter")
    name = f"{path.parent.name}/{path.stem}"
    return Row(name, board.name, stock_of(name, board.name), dense, rewritten)


def _millions(count: int) -> str:
    return f"{count / 1e6:.3f}"


def _against(count: int, base: int | None) -> str:
    return f" ({count / base:.2f} ×)" if base else ""


def instruction_cells(row: Row) -> list[str]:
    """Million instructions of stock, dense and each method, with ratios against stock, or else against dense."""
    stock = row.stock.instructions if row.stock else None
    cells = [_millions(stock) if stock else "–", _millions(row.dense.instructions)]
    cells[1] += _against(row.dense.instructions, stock)
    for result in row.rewritten.values():
        base = stock or row.dense.instructions
        cells.append("–" if result is None else _millions(result.instructions) + _against(result.instructions, base))
    return cells


def memory_cells(row: Row) -> list[str]:
    """Arena and code flash of stock, dense and each method in bytes."""
    versions = [row.dense, *row.rewritten.values()]
    cells = [f"{row.stock.arena_nbytes:,}" if row.stock and row.stock.arena_nbytes else "–"]
    cells += ["–" if v is None else f"{v.arena_nbytes:,}" for v in versions]
    cells.append(f"{row.stock.flash_nbytes:,}" if row.stock else "–")
    stock = row.stock.flash_nbytes if row.stock else None
    return cells + ["–" if v is None else f"{v.code_nbytes:,}" + _against(v.code_nbytes, stock) for v in versions]


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first two columns are text."""
    rule = ["---", "---", *["--:"] * (len(titles) - 2)]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (titles, rule, *rows))


def instruction_table(rows: Sequence[Row]) -> str:
    """Million instructions per inference."""
    titles = ["model", "target", "TFLM + CMSIS-NN", "dense", *(f"`-m {method}`" for method in METHODS)]
    return markdown(titles, [[f"`{row.name}`", row.board, *instruction_cells(row)] for row in rows])


def readme_table(rows: Sequence[Row]) -> str:
    """Instructions, and arena and code flash of the first method that rewrites the model."""
    titles = ["model", "target", "TFLM + CMSIS-NN", "dense", *(f"`-m {m}`" for m in METHODS), "arena", "code flash"]
    lines = []
    for row in rows:
        shown = row.rewritten[METHODS[0]] or row.dense
        sizes = [f"{shown.arena_nbytes:,}", f"{shown.code_nbytes:,}"]
        lines.append([f"`{row.name}`", row.board, *instruction_cells(row), *sizes])
    return markdown(titles, lines)


def memory_table(rows: Sequence[Row]) -> str:
    """Arena and code flash, bytes."""
    versions = ["TFLM + CMSIS-NN", "dense", *METHODS]
    titles = ["model", "target", *(f"arena, {v}" for v in versions), *(f"code, {v}" for v in versions)]
    return markdown(titles, [[f"`{row.name}`", row.board, *memory_cells(row)] for row in rows])


def cycle_table(rows: Sequence[Row]) -> str:
    """Million modelled cycles per inference."""
    titles = ["model", "target", "dense", *METHODS]
    lines = []
    for row in rows:
        versions = [row.dense, *row.rewritten.values()]
        cells = ["–" if v is None else _millions(v.modelled_cycles) for v in versions]
        lines.append([f"`{row.name}`", row.board, *cells])
    return markdown(titles, lines)


def operator_table(rows: Sequence[Row]) -> str:
    """Million instructions by kind of operator, each version on a line of its own."""
    lines = []
    for row in rows:
        for version, result in (("dense", row.dense), *row.rewritten.items()):
            if result is None:
                continue
            sums: dict[str, int] = {}
            for layer in result.layers:
                sums[layer.operator] = sums.get(layer.operator, 0) + layer.instructions
            parts = sorted(sums.items(), key=lambda item: -item[1])
            text = ", ".join(f"{name} {_millions(count)}" for name, count in parts if count >= 500)
            lines.append([f"`{row.name}`", f"{row.board}, {version}", text])
    return markdown(["model", "version", "operators"], lines).replace("--: |\n", "--- |\n", 1)


def report(rows: Sequence[Row], left_out: Sequence[str]) -> str:
    """docs/BENCH.md."""
    parts = [
        "# Benchmarks\n",
        "Made by `make bench`. Instructions are measured, one inference on a random input, exact; cycles are modelled\n"
        "([CYCLE_MODEL.md](CYCLE_MODEL.md)). All outputs are those of the reference interpreter, bit for bit.\n\n"
        f"TFLM + CMSIS-NN: {STOCK['provenance']}. {STOCK['how']}\n",
        "## Million instructions per inference\n",
        "In brackets: against TFLM + CMSIS-NN on the dense model, where that was measured, else against dense.\n",
        instruction_table(rows),
        "## Arena and code flash in bytes\n",
        "Code: the whole image but the model, with exactly the model's operators and without the texts of errors. It\n"
        "includes start-up code and the program around the interpreter: about 2,700 bytes, of TFLM's figures 1,600.\n",
        memory_table(rows),
        "## Million cycles per inference, modelled\n",
        cycle_table(rows),
        "## Million instructions by operator\n",
        operator_table(rows),
    ]
    if left_out:
        parts += ["## Left out\n", "".join(f"- {reason}\n" for reason in left_out)]
    return "\n".join(parts)


def main() -> None:
    """Print the tables, or put them into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--target", action="append", choices=list(boards()))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    rows: list[Row] = []
    left_out: list[str] = []
    for path in [p for f in (ROOT / "models/zoo", *arguments.folders) for p in sorted(f.rglob("*.tflite"))]:
        for name in arguments.target or boards():
            try:
                rows.append(measure(path, boards()[name]))
            except UnsupportedError as error:
                left_out.append(f"`{path.parent.name}/{path.stem}` on {name}: {error}")
                print(left_out[-1], file=sys.stderr)
                continue
            print(" | ".join([rows[-1].name, name, *instruction_cells(rows[-1])]), file=sys.stderr)
    if not arguments.write:
        print(report(rows, left_out))
        return
    REPORT.write_text(report(rows, left_out), encoding="utf-8")
    before, found, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    if not found:
        sys.exit(f"{README} has no line {BEGIN}: the table is in {REPORT} only")
    README.write_text(f"{before}{BEGIN}\n{readme_table(rows)}{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
