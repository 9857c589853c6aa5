"""Bytes, instructions, modelled cycles, arena and flash of every model by every method on every simulated board.

    python -m tools.benchmark [FOLDER | MODEL …] [--target T …] [--write]

Takes the shipped models and every .tflite below the given folders. All outputs are compared with the reference
interpreter's. --write makes docs/BENCH.md, docs/bench.json, docs/size-speed.svg and the table in README.md; without it
the report is printed. A model that a board cannot run is listed with the reason.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tools.benchmark.defaults import broken_promises
from tools.benchmark.measure import Facts, Row, facts_of, measure_all
from tools.benchmark.plot import draw
from tools.benchmark.tables import readme_table, report
from wpconvert.target.board import boards

ROOT = Path(__file__).resolve().parent.parent.parent
README, DOCS = ROOT / "README.md", ROOT / "docs"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
# Of the plot: a sparse, a dense and a half-sparse model, where they were measured.
PLOTTED = ("ds_cnn_kws/sparse_l_85", "mlperf_tiny/vww_96_int8", "mobilenetv2_cifar10/sparse80")
WORKERS = 2


def models_of(places: Sequence[Path]) -> list[Path]:
    """The models at these places, folders or files. Exits when there is none at one of them."""
    found = []
    for place in places:
        here = sorted(place.rglob("*.tflite")) if place.is_dir() else [place]
        if not here or not all(path.is_file() for path in here):
            sys.exit(f"{place}: no .tflite model")
        found += here
    return found


def measure_model(targets: Sequence[str], path: Path) -> tuple[Facts, list[Row], list[str]]:
    """A model's facts, rows, and reasons of the boards that cannot run it."""
    results = list(measure_all(path, targets))
    rows = [result for result in results if isinstance(result, Row)]
    return facts_of(path), rows, [result for result in results if isinstance(result, str)]


def as_json(models: Sequence[tuple[Facts, Sequence[Row]]], left_out: Sequence[str]) -> str:
    """All numbers: lists of models, rows and reasons, an entry a line."""
    lists: dict[str, list[Any]] = {
        "models": [asdict(facts) for facts, _ in models],
        "rows": [asdict(row) for _, rows in models for row in rows],
        "left_out": list(left_out),
    }
    parts = []
    for key, entries in lists.items():
        lines = ",\n".join(f"    {json.dumps(entry, ensure_ascii=False)}" for entry in entries)
        parts.append(f'  "{key}": [\n{lines}\n  ]' if entries else f'  "{key}": []')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    """Print the report, or put it into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--target", action="append", choices=list(boards()))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    targets = arguments.target or list(boards())
    paths = models_of([ROOT / "models/zoo", *arguments.models])
    start = time.monotonic()
    models: list[tuple[Facts, list[Row]]] = []
    left_out: list[str] = []
    with ProcessPoolExecutor(WORKERS) as pool:
        for facts, rows, reasons in pool.map(partial(measure_model, targets), paths):
            models.append((facts, rows))
            left_out += reasons
            print(f"{facts.name}: {len(rows)} rows", *reasons, sep="\n  ", file=sys.stderr)
    count = sum(len(rows) for _, rows in models)
    print(f"{count} rows in {time.monotonic() - start:.0f} s, outputs bit for bit", file=sys.stderr)
    measured = [(facts, rows) for facts, rows in models if rows]
    broken = broken_promises([row for _, rows in models for row in rows])
    print(*broken, f"{len(broken)} default plans break a promise", sep="\n", file=sys.stderr)
    if not arguments.write:
        print(report(measured, left_out), readme_table(measured), sep="\n")
        return
    (DOCS / "BENCH.md").write_text(report(measured, left_out), encoding="utf-8")
    (DOCS / "bench.json").write_text(as_json(measured, left_out), encoding="utf-8")
    plotted = [pair for pair in measured if pair[0].name in PLOTTED] or measured
    draw(plotted, targets, DOCS / "size-speed.svg")
    before, found, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    if not found:
        sys.exit(f"{README} has no line {BEGIN}: the table is in docs/BENCH.md only")
    README.write_text(f"{before}{BEGIN}\n{readme_table(measured)}{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
