"""Instructions and modelled cycles by operator of a firmware image that was built elsewhere.

    python -m tools.profile_image IMAGE.elf MODEL.tflite --target mps2-m4

Puts TensorFlow Lite Micro and wpconvert's runtime on the same scale: same simulated board, same counter, same cycle
model. The image has MODEL inside, wpconvert's interpreter or TFLM's with its symbols, and does what
runtime/ports/common/runner.cc does: it reads inputs.bin, calls port_ticks before and after AllocateTensors and Invoke,
prints the same lines, and writes outputs.bin, which must be what the reference interpreter gives, bit for bit. The
input is that of `make bench`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.benchmark.measure import expected_sha256
from tools.markdown import markdown
from wpconvert.benchmark.measure import benchmark_image
from wpconvert.benchmark.result import Benchmark
from wpconvert.engines.inputs import random_inputs
from wpconvert.errors import WpconvertError
from wpconvert.formats.tflite.file import parse
from wpconvert.target.board import board_named, boards


def operator_rows(found: Benchmark) -> list[list[str]]:
    """Operator, instructions and modelled cycles; the interpreter and the sum come last."""
    sums: dict[str, list[int]] = {}
    for layer in found.layers:
        entry = sums.setdefault(layer.operator, [0, 0])
        entry[0] += layer.instructions
        entry[1] += layer.modelled_cycles
    sums["interpreter"] = [found.interpreter_instructions, found.interpreter_modelled_cycles]
    sums["all"] = [found.instructions, found.modelled_cycles]
    return [[name, *(f"{number:,}" for number in numbers)] for name, numbers in sums.items()]


def main() -> None:
    """Print the table of one image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--target", required=True, choices=list(boards()))
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds (default: %(default)g)")
    arguments = parser.parse_args()
    try:
        data = arguments.model.read_bytes()
        model = parse(data)
        sample = random_inputs(model, 1, seed=0).samples[0]
        found = benchmark_image(
            str(arguments.model),
            data,
            model,
            board_named(arguments.target),
            sample,
            arguments.image,
            timeout_s=arguments.timeout,
        )
    except (OSError, WpconvertError) as error:
        sys.exit(f"{arguments.image}: {error}")
    print(markdown(["operator", "instructions", "cycles, modelled"], operator_rows(found), texts=1), end="")
    once = f"AllocateTensors {found.prepare_instructions:,} instructions"
    print(
        f"\n{once}, arena {found.arena_nbytes:,} bytes, image without the model {found.code_nbytes:,} bytes",
        *found.notes,
    )
    if found.outputs_sha256 != expected_sha256(arguments.model):
        sys.exit("the outputs are not those of the reference interpreter")


if __name__ == "__main__":
    main()
