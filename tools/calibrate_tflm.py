"""Calibrates the cost model of --runtime tflm with images that were built elsewhere.

    python -m tools.calibrate_tflm models FOLDER
    python -m tools.calibrate_tflm fit FOLDER --target corstone300 --of "tflite-micro COMMIT, CMSIS-NN COMMIT"

`models` writes models: timing-N.tflite have the operators that TensorFlow Lite Micro runs, in many shapes,
code-N.tflite one operator each, ours too. For each, an image NAME.elf and the map NAME.map are to be put beside
it: TFLM with CMSIS-NN, the adapter of runtime/tflm, texts stripped, int8 variants of kernels registered where
there are any; it does what tools.profile_image says. `fit` measures the images and writes the cost file tflm-CORE.json.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from tools.calibration.code_size import code_names, code_samples, entries, sections_of
from tools.calibration.cost_file import write
from tools.calibration.fit import Measured, Weights, fit_part
from tools.calibration.layers import Sample, build, models, weighted
from tools.calibration.operators import operators
from wpconvert.benchmark.flash import BOARD, MODEL, Piece
from wpconvert.benchmark.measure import benchmark_image
from wpconvert.engines.inputs import random_inputs
from wpconvert.errors import WpconvertError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.layers import layers_of
from wpconvert.model.layer import PLAIN
from wpconvert.plan.costs import INTERPRETER, stock_path
from wpconvert.plan.decoding import Features
from wpconvert.plan.stock import describe
from wpconvert.target.board import Board, board_named, boards

SEED = 1
SAMPLES = 70
"""Of each kind of convolution."""


def timed() -> Iterator[Sample]:
    """The operators that are not ours."""
    for sample in chain(weighted(SEED, SAMPLES), operators()):
        if sample.method == PLAIN and not any(name.startswith("WP_") for name in code_names(build([sample]))):
            yield sample


def write_models(folder: Path) -> None:
    """All models that images are to be built of."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(models(timed(), SEED)):
        (folder / f"timing-{number}.tflite").write_bytes(data)
    for number, sample in enumerate(code_samples()):
        (folder / f"code-{number}.tflite").write_bytes(build([sample]))


def _counts(piece: Piece) -> bool:
    """Whether bytes of an image are the interpreter's, an operator's or a library's: TFLM's are nobody's to the map."""
    return piece.origin != MODEL and (
        piece.origin != BOARD or ("(" in piece.path and "wpconvert_port" not in piece.path)
    )


def fit(folder: Path, board: Board, of: str) -> dict[str, Any]:
    """The content of a cost file."""
    families: defaultdict[str, list[tuple[Features, Measured]]] = defaultdict(list)
    interpreter, count = [0.0, 0.0], 0
    for path in sorted(folder.glob("timing-*.tflite")):
        data = path.read_bytes()
        model = parse(data)
        sample = random_inputs(model, 1, SEED).samples[0]
        found = benchmark_image(path.stem, data, model, board, sample, path.with_suffix(".elf"), timeout_s=900)
        for layer, measured in zip(layers_of(model), found.layers, strict=True):
            family, features = describe(layer)
            families[family].append((features, Measured(layer, measured.instructions, measured.modelled_cycles)))
            count += 1
        interpreter[0] += found.interpreter_instructions
        interpreter[1] += found.interpreter_modelled_cycles
    weights: Weights = {INTERPRETER: [round(part / count, 1) for part in interpreter]}
    for members in families.values():
        weights |= fit_part(members)
    images = [
        (code_names(path.read_bytes()), sections_of(path.with_suffix(".elf"), path.with_suffix(".map"), _counts))
        for path in sorted(folder.glob("code-*.tflite"))
    ]
    return {
        "core": board.core,
        "provenance": {
            "command": "tools/calibrate_tflm.py",
            "date": datetime.now(UTC).date().isoformat(),
            "board": board.name,
            "of": of,
            "layers": count,
        },
        "families": sorted(families),
        "weights": dict(sorted(weights.items())),
        "code": entries(images),
    }


def main() -> None:
    """Write models, or fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("models", "fit"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", choices=list(boards()))
    parser.add_argument("--of", default="", help="what the images were made of")
    arguments = parser.parse_args()
    if arguments.what == "models":
        write_models(arguments.folder)
        return
    if arguments.target is None:
        parser.error("fit needs --target")
    board = board_named(arguments.target)
    try:
        content = fit(arguments.folder, board, arguments.of)
    except (OSError, WpconvertError) as error:
        sys.exit(f"{arguments.folder}: {error}")
    write(stock_path(board.core), content)


if __name__ == "__main__":
    main()
