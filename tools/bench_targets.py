"""Instructions, arena and flash of every model on every simulated board: docs/BENCH.md and a table for README.md.

    python -m tools.bench_targets [FOLDER | MODEL …] [--target T …] [--write]

Takes the shipped models and every .tflite below the given folders, as they are and rewritten with each method. Ratios
are against TFLM with CMSIS-NN where tools/stock_tflm.json has its numbers. --write puts the tables into docs/BENCH.md
and README.md; without it both are printed. A model that a board cannot run is listed with the reason.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.stock import STOCK, Stock, stock_of
from wpconvert.bench.flash import BOARD
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


@dataclass(frozen=True)
class Row:
    """One model on one board: as it is, and by method; None where a method rewrites nothing."""

    name: str
    board: str
    stock: Stock | None
    dense: Benchmark
    rewritten: dict[str, Benchmark | None]


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
    """Arena and code flash of stock, dense and each method in bytes, with ratios against stock."""
    versions = [row.dense, *row.rewritten.values()]
    arena, flash = (row.stock.arena_nbytes, row.stock.flash_nbytes) if row.stock else (None, None)
    return [
        f"{arena:,}" if arena else "–",
        *("–" if v is None else f"{v.arena_nbytes:,}" + _against(v.arena_nbytes, arena) for v in versions),
        f"{flash:,}" if flash else "–",
        *("–" if v is None else f"{v.code_nbytes:,}" + _against(v.code_nbytes, flash) for v in versions),
    ]


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 2) -> str:
    """A table whose first columns, `texts` of them, are text."""
    rule = [*["---"] * texts, *["--:"] * (len(titles) - texts)]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (titles, rule, *rows))


def instruction_table(rows: Sequence[Row]) -> str:
    """Million instructions per inference."""
    titles = ["model", "target", "TFLM + CMSIS-NN", "dense", *(f"`-m {method}`" for method in METHODS)]
    return markdown(titles, [[f"`{row.name}`", row.board, *instruction_cells(row)] for row in rows])


def _ratios(pairs: Iterable[tuple[int | None, int | None]]) -> str:
    """`0.69 / 0.64 / –`; one dash when there is none at all."""
    texts = [f"{count / base:.2f}" if count and base else "–" for count, base in pairs]
    return "–" if set(texts) == {"–"} else " / ".join(texts)


def _readme_cells(rows: Sequence[Row | None]) -> list[str]:
    """One model on all targets, None where it does not run."""
    here = [row for row in rows if row]
    method = METHODS[0] if any(row.rewritten[METHODS[0]] for row in here) else None

    def ratios(version: str | None, ours: str, theirs: str) -> str:
        pairs = []
        for row in rows:
            result = None if row is None else row.dense if version is None else row.rewritten[version]
            pairs.append((getattr(result, ours, None), getattr(row and row.stock, theirs, None)))
        return _ratios(pairs)

    cells = [ratios(version, "instructions", "instructions") for version in (None, *METHODS)]
    return [*cells, ratios(method, "arena_nbytes", "arena_nbytes"), ratios(method, "code_nbytes", "flash_nbytes")]


def readme_table(rows: Sequence[Row]) -> str:
    """Ratios to stock of the models it was measured on, one line for a model, all targets in a cell."""
    targets = list(dict.fromkeys(row.board for row in rows))
    titles = ["model", "dense", *(f"`-m {m}`" for m in METHODS), "arena", "code flash"]
    found = {(row.name, row.board): row for row in rows}
    names = dict.fromkeys(row.name for row in rows if row.stock)
    lines = [[f"`{name}`", *_readme_cells([found.get((name, target)) for target in targets])] for name in names]
    return markdown(titles, lines, texts=1)


def readme_block(rows: Sequence[Row], left_out: Sequence[str]) -> str:
    """What --write puts into README.md: the table, what is counted, and what is missing."""
    names = " / ".join(f"{boards()[name].core}" for name in dict.fromkeys(row.board for row in rows))
    legend = (
        f"In each cell {names}, in parts of TFLM + CMSIS-NN on the dense model: 0.50 is half.\n"
        "The columns up to `arena` are instructions per inference. Arena and code flash are those of the `-m dcsr`\n"
        "model, or of the dense one where nothing was rewritten. Code flash is the image without the model and texts\n"
        "of errors, with exactly the model's operators; of TFLM only their int8 variants where that is possible.\n"
        "Start-up and board code are counted on both sides. A dash: not measured, or nothing rewritten.\n"
    )
    missing = f"\nNot in the table: {'; '.join(left_out)}.\n" if left_out else ""
    return f"{readme_table(rows)}\n{legend}{missing}"


def memory_table(rows: Sequence[Row]) -> str:
    """Arena and code flash, bytes."""
    versions = ["TFLM + CMSIS-NN", "dense", *METHODS]
    titles = ["model", "target", *(f"arena, {v}" for v in versions), *(f"code, {v}" for v in versions)]
    return markdown(titles, [[f"`{row.name}`", row.board, *memory_cells(row)] for row in rows])


def cycle_table(rows: Sequence[Row]) -> str:
    """Million modelled cycles per inference."""
    titles = ["model", "target", "TFLM + CMSIS-NN", "dense", *METHODS]
    lines = []
    for row in rows:
        stock = row.stock.modelled_cycles if row.stock else None
        ours = [None if v is None else v.modelled_cycles for v in (row.dense, *row.rewritten.values())]
        cells = ["–" if cycles is None else _millions(cycles) + _against(cycles, stock) for cycles in ours]
        lines.append([f"`{row.name}`", row.board, _millions(stock) if stock else "–", *cells])
    return markdown(titles, lines)


def operator_table(rows: Sequence[Row], unit: str) -> str:
    """Millions by kind of operator, each version on a line of its own; `unit` is instructions or modelled_cycles."""
    lines = []
    for row in rows:
        versions: dict[str, Counter[str]] = {}
        if row.stock:
            versions["TFLM + CMSIS-NN"] = Counter(getattr(row.stock, f"operator_{unit}"))
        for version, result in (("dense", row.dense), *row.rewritten.items()):
            versions[version] = Counter()
            for layer in result.layers if result else ():
                versions[version][layer.operator] += getattr(layer, unit)
        for version, sums in versions.items():
            text = ", ".join(f"{name} {_millions(count)}" for name, count in sums.most_common() if count >= 500)
            if text:
                lines.append([f"`{row.name}`", f"{row.board}, {version}", text])
    return markdown(["model", "version", "operators"], lines, texts=3)


def _board_code(rows: Sequence[Row]) -> str:
    """Flash of start-up code and runner, `2,500 to 2,700`."""
    found = sorted({row.dense.flash_nbytes[BOARD] for row in rows})
    return " to ".join(f"{nbytes:,}" for nbytes in dict.fromkeys((found[0], found[-1])))


def report(rows: Sequence[Row], left_out: Sequence[str]) -> str:
    """docs/BENCH.md."""
    parts = [
        "# Benchmarks\n",
        "Made by `make bench`. Instructions are measured, one inference on a random input, exact; cycles are modelled\n"
        "([CYCLE_MODEL.md](CYCLE_MODEL.md)). All outputs are those of the reference interpreter, bit for bit.\n\n"
        "Dense: the model as it is, zeros and all. A dash: not measured, or the method rewrites nothing.\n\n"
        f"TFLM + CMSIS-NN: {STOCK['provenance']}. {STOCK['how']}\n\n{STOCK['profile']}\n",
        "## Million instructions per inference\n",
        "In brackets: against TFLM + CMSIS-NN on the dense model, where that was measured, else against dense.\n",
        instruction_table(rows),
        "## Arena and code flash in bytes\n",
        "In brackets: against TFLM + CMSIS-NN. Code, ours: the whole image but the model, with exactly the model's\n"
        "operators, built without the texts of errors (`--no-error-texts`). C library, start-up code and the program\n"
        f"around the interpreter are counted, the last two {_board_code(rows)} bytes. Code, TFLM: exactly the model's\n"
        "operators, the int8 variants of their kernels only (MobileNetV2: all variants), strings stripped. C library\n"
        "and about 1,600 bytes of start-up code are counted.\n",
        memory_table(rows),
        "## Million cycles per inference, modelled\n",
        "In brackets: against TFLM + CMSIS-NN, whose cycles are modelled in the same way.\n",
        cycle_table(rows),
        "## Million instructions by operator\n",
        operator_table(rows, "instructions"),
        "## Million cycles by operator, modelled\n",
        operator_table(rows, "modelled_cycles"),
    ]
    if left_out:
        parts += ["## Left out\n", "".join(f"- {reason}\n" for reason in left_out)]
    return "\n".join(parts)


def models_of(places: Sequence[Path]) -> list[Path]:
    """The models at these places, folders or files. Exits when there is none at one of them."""
    found = []
    for place in places:
        here = sorted(place.rglob("*.tflite")) if place.is_dir() else [place]
        if not here or not all(path.is_file() for path in here):
            sys.exit(f"{place}: no .tflite model")
        found += here
    return found


def main() -> None:
    """Print the tables, or put them into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--target", action="append", choices=list(boards()))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    rows: list[Row] = []
    refusals: dict[tuple[str, str], list[str]] = {}
    start = time.monotonic()
    for path in models_of([ROOT / "models/zoo", *arguments.models]):
        for name in arguments.target or boards():
            try:
                rows.append(measure(path, boards()[name]))
            except UnsupportedError as error:
                reason = str(error).removeprefix(f"{name} cannot run this model: ")
                refusals.setdefault((f"{path.parent.name}/{path.stem}", reason), []).append(name)
                print(f"{path}, {name}: skipped, {reason}", file=sys.stderr)
                continue
            print(" | ".join([rows[-1].name, name, *instruction_cells(rows[-1])]), file=sys.stderr)
    left_out = [f"`{model}` ({', '.join(names)}): {reason}" for (model, reason), names in refusals.items()]
    print(f"{len(rows)} rows in {time.monotonic() - start:.0f} s, outputs bit for bit", file=sys.stderr)
    if not arguments.write:
        print(report(rows, left_out), readme_block(rows, left_out), sep="\n")
        return
    REPORT.write_text(report(rows, left_out), encoding="utf-8")
    before, found, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    if not found:
        sys.exit(f"{README} has no line {BEGIN}: the table is in {REPORT} only")
    README.write_text(f"{before}{BEGIN}\n{readme_block(rows, left_out)}{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
