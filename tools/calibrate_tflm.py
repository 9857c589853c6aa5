"""Calibrates the cost model of --runtime tflm.

    python -m tools.calibrate_tflm TFLM --target corstone300 mps2-m4 mps2-m3 --of "tflite-micro COMMIT, CMSIS-NN COMMIT"

TFLM is a checkout of tflite-micro with its third_party_downloads, CMSIS and CMSIS-NN among them. For each board, builds
images of TensorFlow Lite Micro with CMSIS-NN and the adapter of runtime/tflm (tools/calibration/tflm), measures them,
and writes the cost file tflm-CORE.json. Models timing-N have the operators that TensorFlow Lite Micro runs, in many
shapes; models code-N one operator each, ours too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
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
from wpconvert.backends.c.c_array import emit_header
from wpconvert.benchmark.flash import BOARD, MODEL, Piece
from wpconvert.benchmark.measure import benchmark_image
from wpconvert.engines.inputs import random_inputs
from wpconvert.errors import WpconvertError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.model.layer import PLAIN
from wpconvert.plan.costs import INTERPRETER, stock_path
from wpconvert.plan.decoding import Features
from wpconvert.plan.layers import layers_of
from wpconvert.plan.stock import describe
from wpconvert.target.board import Board, board_named, boards
from wpconvert.target.image import MODEL_SOURCE
from wpconvert.temporary import temporary_folder

ROOT = Path(__file__).resolve().parents[1]
SEED = 1
SAMPLES = 70
"""Of each kind of convolution."""


def timed() -> Iterator[Sample]:
    """The operators that are not ours."""
    for sample in chain(weighted(SEED, SAMPLES), operators()):
        if sample.method == PLAIN and not any(name.startswith("WP_") for name in code_names(build([sample]))):
            yield sample


def write_models(folder: Path) -> None:
    """A folder NAME with model.tflite, model.h and model.cc for each model."""
    timing = {f"timing-{number}": data for number, data in enumerate(models(timed(), SEED))}
    code = {f"code-{number}": build([sample]) for number, sample in enumerate(code_samples())}
    for name, data in (timing | code).items():
        place = folder / name
        place.mkdir(parents=True)
        (place / "model.tflite").write_bytes(data)
        (place / "model.h").write_bytes(emit_header(Path("model.c"), data, parse(data).graph, "model.tflite"))
        (place / "model.cc").write_text(MODEL_SOURCE, encoding="ascii")


def build_images(tflm: Path, folder: Path, board: Board) -> Path:
    """A folder with NAME.elf and NAME.map for each model of a folder."""
    images = folder.with_name(board.name)
    settings = {
        "CMAKE_TOOLCHAIN_FILE": ROOT / "cmake" / "arm-none-eabi.cmake",
        "CMAKE_BUILD_TYPE": "Release",
        "WPCONVERT_BOARD": board.name,
        "TFLM_DIR": tflm.absolute(),
        "MODELS": folder,
        "ARENA_NBYTES": board.arena_nbytes,
    }
    definitions = [f"-D{name}={value}" for name, value in settings.items()]
    source = ROOT / "tools" / "calibration" / "tflm"
    commands: tuple[list[str | Path], ...] = (
        ["cmake", "-G", "Ninja", *definitions, "-S", source, "-B", images],
        ["cmake", "--build", images, "--parallel", str(os.cpu_count() or 1)],
    )
    for command in commands:
        subprocess.run(command, check=True, stdout=sys.stderr)
    return images


def _counts(piece: Piece) -> bool:
    """Whether bytes of an image are the interpreter's, an operator's or a library's: TFLM's are nobody's to the map."""
    return piece.origin != MODEL and (
        piece.origin != BOARD or ("(" in piece.path and "wpconvert_port" not in piece.path)
    )


def fit(folder: Path, images: Path, board: Board, of: str) -> dict[str, Any]:
    """The content of a cost file: of the models in a folder, and their images."""
    families: defaultdict[str, list[tuple[Features, Measured]]] = defaultdict(list)
    interpreter, count = [0.0, 0.0], 0
    for path in sorted(folder.glob("timing-*/model.tflite")):
        data, name = path.read_bytes(), path.parent.name
        model = parse(data)
        sample = random_inputs(model, 1, SEED).samples[0]
        found = benchmark_image(name, data, model, board, sample, images / f"{name}.elf", timeout_s=900)
        for layer, measured in zip(layers_of(read_graph(model)), found.layers, strict=True):
            family, features = describe(layer)
            families[family].append((features, Measured(layer, measured.instructions, measured.modelled_cycles)))
            count += 1
        interpreter[0] += found.interpreter_instructions
        interpreter[1] += found.interpreter_modelled_cycles
    weights: Weights = {INTERPRETER: [round(part / count, 1) for part in interpreter]}
    for members in families.values():
        weights |= fit_part(members)
    codes = []
    for path in sorted(folder.glob("code-*/model.tflite")):
        image = images / f"{path.parent.name}.elf"
        codes.append((code_names(path.read_bytes()), sections_of(image, image.with_suffix(".map"), _counts)))
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
        "code": entries(codes),
    }


def main() -> None:
    """Build, measure, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tflm", type=Path, metavar="TFLM")
    parser.add_argument("--target", nargs="+", choices=list(boards()), default=list(boards()))
    parser.add_argument("--of", required=True, help="what the images are made of: the commits of TFLM and CMSIS-NN")
    arguments = parser.parse_args()
    try:
        with temporary_folder() as work:
            write_models(work / "models")
            for name in arguments.target:
                board = board_named(name)
                images = build_images(arguments.tflm, work / "models", board)
                write(stock_path(board.core), fit(work / "models", images, board, arguments.of))
    except (OSError, WpconvertError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
