"""Calibrates the cost model of -m auto on the simulated boards: `make calibrate`.

    python tools/calibrate.py [FOLDER | MODEL …] [--target T …] [--check] [--methods]

Measures synthetic layers with every method, fits the costs of their operators, finds out what each operator and codec
adds to the code, and writes converter/wpconvert/plan/costs/CORE.json. Then networks that took no part in it, the
shipped models and those given are converted, predicted and measured: were the limits kept, and how far off are ratios
and code? --check does only that; --methods converts with every method, too. What was measured once is not measured
again, unless kernels, runtime or cycle tables have changed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.calibration.check import Case, Checked, check, line, summary, uncertainty  # noqa: E402 - a script's root
from tools.calibration.code_size import measure_code  # noqa: E402
from tools.calibration.cost_file import write  # noqa: E402
from tools.calibration.fit import fit  # noqa: E402
from tools.calibration.layers import grouped, methods, models, weighted, without_channels  # noqa: E402
from tools.calibration.measure import measure  # noqa: E402
from tools.calibration.networks import networks  # noqa: E402
from tools.calibration.operators import operators  # noqa: E402
from wpconvert import __version__  # noqa: E402
from wpconvert.errors import WpconvertError  # noqa: E402
from wpconvert.plan.costs import INTERPRETER, cost_path  # noqa: E402
from wpconvert.target.board import Board, board_named, boards  # noqa: E402
from wpconvert.target.tools import checked, find_tool, run_tool  # noqa: E402

SEED = 1
JOBS = 2
SAMPLES = 70
"""Of each kind of operator with weights, for each method."""


def provenance(board: Board, layers: int) -> dict[str, Any]:
    """Where the numbers come from."""
    compiler = checked(run_tool([find_tool("arm-none-eabi-g++"), "--version"]), "asking the compiler for its version")
    simulator = checked(run_tool([find_tool("qemu-system-arm"), "--version"]), "asking QEMU for its version")
    return {
        "command": "tools/calibrate.py",
        "date": datetime.now(UTC).date().isoformat(),
        "board": board.name,
        "wpconvert": __version__,
        "compiler": compiler.splitlines()[0],
        "simulator": simulator.splitlines()[0],
        "layers": layers,
    }


def calibrate(board: Board, pool: Executor) -> None:
    """Measure, fit, and write the core's file; then find out how uncertain it is."""
    samples = (*weighted(SEED, SAMPLES), *operators())
    special = (grouped(SEED, SAMPLES), without_channels(SEED, SAMPLES))
    made = chain(models(iter(samples), SEED), *(models(some, SEED) for some in special))
    measured, interpreter = measure(board, made, pool)
    weights, families = fit(measured, board.core)
    content = {
        "core": board.core,
        "provenance": provenance(board, len(measured)),
        "uncertainty": 0.0,
        "families": families,
        "weights": {**weights, INTERPRETER: [round(part, 1) for part in interpreter]},
        "code": measure_code(board, pool),
    }
    write(cost_path(board.core), content)
    found = [result for result in _checked(pool, [board.name], list(own_cases())) if not isinstance(result, str)]
    content["uncertainty"] = uncertainty(found)
    write(cost_path(board.core), content)


def own_cases() -> Iterator[Case]:
    """Networks made here, and the shipped ones."""
    for name, data in networks():
        yield Case(name, data)
    yield from _files([ROOT / "models" / "zoo"])


def _files(paths: Sequence[Path]) -> Iterator[Case]:
    for path in paths:
        for file in sorted(path.rglob("*.tflite")) if path.is_dir() else [path]:
            yield Case(f"{file.parent.name}/{file.stem}", file.read_bytes())


def _checked(pool: Executor, names: Sequence[str], cases: Sequence[Case]) -> list[Checked | str]:
    jobs = [pool.submit(check, name, case) for name in names for case in cases]
    return [job.result() for job in jobs]


def main() -> None:
    parser = argparse.ArgumentParser(description="Calibrate the cost model of -m auto.")
    parser.add_argument("paths", nargs="*", type=Path, metavar="FOLDER|MODEL", help="more models to check with")
    parser.add_argument("--target", action="append", metavar="T", help="only this board; may be given again")
    parser.add_argument("--check", action="store_true", help="calibrate nothing, only check")
    parser.add_argument("--methods", action="store_true", help="check with every method, too")
    arguments = parser.parse_args()
    names = arguments.target or list(boards())
    cases = [*own_cases(), *_files(arguments.paths)]
    if arguments.methods:
        cases += [Case(case.name, case.data, method) for case in cases for method in methods()[1:]]
    try:
        with ProcessPoolExecutor(JOBS) as pool:
            for name in () if arguments.check else names:
                start = time.monotonic()
                calibrate(board_named(name), pool)
                print(f"{name}: calibrated in {time.monotonic() - start:.0f} s", file=sys.stderr)
            found = _checked(pool, names, cases)
    except WpconvertError as error:
        sys.exit(str(error))
    for result in found:
        print(result if isinstance(result, str) else line(result))
    print("\n".join(summary([result for result in found if not isinstance(result, str)])))


if __name__ == "__main__":
    main()
