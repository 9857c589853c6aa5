"""Calibrates the cost model of -m auto on the simulated boards: `make calibrate`.

    python tools/calibrate.py [FOLDER | MODEL …] [--target T …] [--check]

Measures synthetic layers with every method, fits the costs of their operators, finds out what each operator and codec
adds to the code, and writes converter/wpconvert/plan/costs/CORE.json. Then the shipped models, and those given, are
predicted and measured, each with every method; none of them took part in the fit. --check does only that.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.calibration.code_size import measure_code  # noqa: E402 - the root is not on the path of a script
from tools.calibration.fit import Measured, fit_family  # noqa: E402
from tools.calibration.layers import methods, models, weighted  # noqa: E402
from tools.calibration.operators import operators  # noqa: E402
from wpconvert import __version__  # noqa: E402
from wpconvert.bench.flash import BOARD, MODEL, PADDING  # noqa: E402
from wpconvert.bench.measure import benchmark  # noqa: E402
from wpconvert.engines.inputs import random_inputs  # noqa: E402
from wpconvert.errors import UnsupportedError, WpconvertError  # noqa: E402
from wpconvert.model.rules import AUTO, Rules  # noqa: E402
from wpconvert.plan.costs import INTERPRETER, cost_path, load_costs  # noqa: E402
from wpconvert.plan.features import family_of  # noqa: E402
from wpconvert.plan.goal import Goal  # noqa: E402
from wpconvert.plan.predict import predict  # noqa: E402
from wpconvert.target.board import Board, board_named, boards  # noqa: E402
from wpconvert.target.tools import checked, find_tool, run_tool  # noqa: E402
from wpconvert.tflite.convert import Settings, convert  # noqa: E402
from wpconvert.tflite.file import parse  # noqa: E402
from wpconvert.tflite.layers import layers_of  # noqa: E402

SEED = 1
JOBS = 2
SAMPLES = 300
"""Of each kind of operator with weights, for each method."""


def measure(board: Board) -> tuple[list[Measured], list[float]]:
    """All synthetic layers on a board, and instructions and cycles of the interpreter for each."""
    measured: list[Measured] = []
    interpreter = [0.0, 0.0]
    samples = (*weighted(SEED, SAMPLES), *operators())
    for data in models(iter(samples), SEED):
        model = parse(data)
        result = benchmark("calibration", data, model, board, random_inputs(model, 1, SEED).samples[0])
        for layer, count in zip(layers_of(model), result.layers, strict=True):
            measured.append(Measured(layer, count.instructions, count.modelled_cycles))
        interpreter[0] += result.interpreter_instructions
        interpreter[1] += result.interpreter_modelled_cycles
    return measured, [part / len(measured) for part in interpreter]


def provenance(board: Board, measured: Sequence[Measured]) -> dict[str, Any]:
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
        "layers": len(measured),
    }


def calibrate(board: Board) -> None:
    """Measure, fit, and write the core's file."""
    measured, interpreter = measure(board)
    families: defaultdict[str, list[Measured]] = defaultdict(list)
    for sample in measured:
        families[family_of(sample.layer)].append(sample)
    fitted = {name: fit_family(samples) for name, samples in sorted(families.items())}
    keys = ("instructions", "cycles")
    once = {key: {"once": round(part, 1)} for key, part in zip(keys, interpreter, strict=True)}
    fitted[INTERPRETER] = [{"limits": {}, **once}]
    content = {
        "core": board.core,
        "provenance": provenance(board, measured),
        "families": fitted,
        "code": measure_code(board),
    }
    cost_path(board.core).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def check(paths: Sequence[Path], board: Board) -> list[str]:
    """A line for each model and method: predicted against measured."""
    lines = []
    costs = load_costs(board.core)
    for path in paths:
        data = path.read_bytes()
        sample = random_inputs(parse(data), 1, 0).samples[0]
        seen = set()
        for method in (*methods(), AUTO):
            goal = Goal(board.name, board.core) if method == AUTO else None
            version = convert(str(path), data, Settings(method, Rules(rules=[]), goal=goal)).data
            if version in seen:
                continue
            seen.add(version)
            model = parse(version)
            try:
                measured = benchmark(str(path), version, model, board, sample)
            except UnsupportedError as error:
                lines.append(f"{board.name:12} {path.parent.name}/{path.stem} {method}: skipped, {error}")
                break
            layers = layers_of(model)
            found = predict(layers, costs)
            code = costs.code_nbytes(name for layer in layers for name in layer.code)
            flash = measured.flash_nbytes
            linked = sum(nbytes for part, nbytes in flash.items() if part not in (BOARD, MODEL, PADDING))
            errors = (
                found.total.instructions / measured.instructions - 1,
                found.total.cycles / measured.modelled_cycles - 1,
                code / linked - 1,
            )
            texts = " ".join(
                f"{what} {error:+6.1%}" for what, error in zip(("instructions", "cycles", "code"), errors, strict=True)
            )
            missing = f"; not predicted: {', '.join(found.unknown)}" if found.unknown else ""
            lines.append(f"{board.name:12} {path.parent.name + '/' + path.stem:34} {method:8} {texts}{missing}")
    return lines


def work(name: str, paths: Sequence[Path], only_check: bool) -> list[str]:
    """Calibrate a board and check it; the lines of the check."""
    board, start = board_named(name), time.monotonic()
    if not only_check:
        calibrate(board)
        load_costs.cache_clear()
        print(f"{board.name}: calibrated in {time.monotonic() - start:.0f} s", file=sys.stderr)
    return check(paths, board)


def main() -> None:
    parser = argparse.ArgumentParser(description="Calibrate the cost model of -m auto.")
    parser.add_argument("paths", nargs="*", type=Path, metavar="FOLDER|MODEL", help="more models to check with")
    parser.add_argument("--target", action="append", metavar="T", help="only this board; may be given again")
    parser.add_argument("--check", action="store_true", help="measure nothing new, only check")
    arguments = parser.parse_args()
    folders = [ROOT / "models" / "zoo", *arguments.paths]
    paths = [path for folder in folders for path in (sorted(folder.rglob("*.tflite")) if folder.is_dir() else [folder])]
    names = arguments.target or list(boards())
    try:
        with ProcessPoolExecutor(JOBS) as pool:
            jobs = [pool.submit(work, name, paths, arguments.check) for name in names]
            for job in jobs:
                print("\n".join(job.result()), flush=True)
    except WpconvertError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
