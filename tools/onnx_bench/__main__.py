"""Trained CNNs from PyTorch over ONNX to the simulated boards: bytes, classes on real data, instructions.

    python -m tools.onnx_bench MODELS DATA [--only TEXT …] [--target T …] [--write]

MODELS is a folder of trained .tflite CNNs, DATA one of .npz files with samples and labels. Which are known stands in
tools/onnx_bench/networks.py; FOLDER/NAME.tflite of your own is measured with DATA/NAME.npz. Of each a PyTorch network
is made, exported, quantised by ONNX Runtime, rewritten by every method, lowered, and run; what has to be equal is
compared. --write puts the tables into docs/LOWERING.md; without it they are printed.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tools.onnx_bench.measure import TARGETS, Result, measure
from tools.onnx_bench.networks import cases_in
from tools.onnx_bench.tables import report
from wpconvert.errors import WpconvertError
from wpconvert.target.board import boards

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "LOWERING.md"
BEGIN, END = "<!-- bench-onnx: begin -->", "<!-- bench-onnx: end -->"
WORKERS = 2


def write(text: str) -> None:
    """Put the tables into the page."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    if not begin:
        sys.exit(f"{PAGE} has no line {BEGIN}")
    PAGE.write_text(f"{before}{BEGIN}\n{text}{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> None:
    """Print the tables, or put them into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, metavar="MODELS")
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help="networks with such a text in the name")
    parser.add_argument("--target", nargs="+", choices=list(boards()), default=list(TARGETS))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    cases, left_out = cases_in(arguments.models, arguments.data)
    cases = [case for case in cases if any(text in case.network.title for text in arguments.only)]
    if not cases:
        sys.exit("\n".join(["no network to measure", *left_out]))
    start = time.monotonic()
    results: list[Result] = []
    try:
        with ProcessPoolExecutor(WORKERS) as pool:
            for result in pool.map(partial(measure, arguments.target), cases):
                results.append(result)
                print(f"{result.title}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    except WpconvertError as error:
        sys.exit(f"error: {error}")
    text = report(results, left_out)
    if arguments.write:
        write(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
