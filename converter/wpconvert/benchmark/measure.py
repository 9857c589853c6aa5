"""Runs a model on a simulated board with the counting plugin, and reads what was counted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from wpconvert.benchmark.counts import parse_counts
from wpconvert.benchmark.cycles import OTHER, cost_table, together
from wpconvert.benchmark.disassembly import disassemble
from wpconvert.benchmark.flash import Piece, flash_parts, read_map
from wpconvert.benchmark.plugin import build_plugin, plugin_arguments
from wpconvert.benchmark.profile import Inference, Profiler, find_markers, inferences, prepare_instructions
from wpconvert.benchmark.program import load_program
from wpconvert.benchmark.result import Benchmark, LayerCount
from wpconvert.errors import DeviceError, ToolError, UnsupportedError
from wpconvert.graph.executable import Executable
from wpconvert.graph.types import Sample
from wpconvert.target.board import Board
from wpconvert.target.image import Image, Sizes, build_image
from wpconvert.target.runner import DEFAULT_TIMEOUT_S, DeviceRun, run_image, run_on
from wpconvert.target.simulator import Simulator, simulator_for
from wpconvert.temporary import temporary_folder

SIMULATOR = "qemu"
NO_ERROR_TEXTS = "WPCONVERT_NO_ERROR_STRINGS"
"""The macro that leaves the texts of errors out of the image, as a product would."""
# The clock's two readings, and the call between them, on top of Invoke.
_CLOCK_SLACK = 120


def benchmark(
    path: str,
    data: bytes,
    model: Executable,
    board: Board,
    sample: Sample,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    defines: tuple[str, ...] = (),
) -> Benchmark:
    """One inference of the model (its file's bytes are `data`) on a board, counted instruction by instruction.

    `defines` are macros for all device sources, NO_ERROR_TEXTS for one. Raises what running on a board raises, and
    ToolError when the image or the counts are not as expected.
    """
    image = build_image(board, model, data, defines=defines)
    profiler = _profiler(board, image.path, read_map(image.path.with_suffix(".map"), load_program(image.path).sections))

    def run(simulator: Simulator) -> DeviceRun:
        try:
            done = run_on(board, model, [sample], data=data, simulator=simulator, timeout_s=timeout_s, defines=defines)
        except UnsupportedError:
            # Without its texts the firmware refuses a model and cannot say why; with them it raises the same again.
            run_on(board, model, [sample], data=data, timeout_s=timeout_s)
            raise
        if done.image.path != image.path:
            raise ToolError("the device sources changed between build and run; run the command again")
        return done

    return _measure(path, data, model, board, profiler, run)


def benchmark_image(
    path: str,
    data: bytes,
    model: Executable,
    board: Board,
    sample: Sample,
    elf: Path,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> Benchmark:
    """The same for an image that was built elsewhere and has this model inside.

    It speaks the protocol of runtime/ports/common/runner.cc, with wpconvert's interpreter or that of TensorFlow Lite
    Micro. Its code is not divided into parts, and what its program does between Invoke and the clock counts. Raises
    what running on a board raises, and ToolError when image or counts are not as expected.
    """
    image = Image(elf, board.arena_nbytes, Sizes(0, 0, 0))

    def run(simulator: Simulator) -> DeviceRun:
        return run_image(board, simulator, image, model, [sample], timeout_s)

    return _measure(path, data, model, board, _profiler(board, elf, ()), run)


def _measure(
    path: str,
    data: bytes,
    model: Executable,
    board: Board,
    profiler: Profiler,
    run: Callable[[Simulator], DeviceRun],
) -> Benchmark:
    """Count one inference; `run` runs the profiler's image in the simulator it is given."""
    markers = find_markers(profiler.program, profiler.code)
    with temporary_folder() as folder:
        out = folder / "counts.txt"
        device = run(_counting(board, plugin_arguments(build_plugin(), out, markers.addresses)))
        try:
            counts = parse_counts(out.read_text(encoding="ascii"))
        except OSError as error:
            raise ToolError(f"the QEMU plugin wrote no counts: {error.strerror}") from error
    found = inferences(counts, markers, profiler.is_firmware)
    operators = model.graph.main.operators
    if len(found) != 1 or len(found[0].operators) != len(operators):
        raise ToolError(f"the profile shows {len(found)} inferences, expected one with {len(operators)} operators")
    inference = found[0]
    _check_clock(device.instructions, inference)
    operators_modelled = [profiler.model(executions) for executions in inference.operators]
    interpreter_modelled = profiler.model(inference.interpreter)
    modelled = together([*operators_modelled, interpreter_modelled])
    unknown = sum(n for address, n in inference.total.items() if modelled.classes[address] == OTHER)
    notes = (f"the cycle model has no cost for {unknown:,} of the executed instructions",) if unknown else ()
    return Benchmark(
        path=path,
        target=board.name,
        core=board.core,
        simulator=SIMULATOR,
        file_nbytes=len(data),
        instructions=inference.total.total(),
        modelled_cycles=modelled.total,
        prepare_instructions=prepare_instructions(counts, markers, profiler.is_firmware),
        interpreter_instructions=inference.interpreter.total(),
        interpreter_modelled_cycles=interpreter_modelled.total,
        arena_nbytes=device.arena_nbytes,
        flash_nbytes=flash_parts(profiler.pieces, profiler.program.sections),
        layers=_layers(model, inference, [one.total for one in operators_modelled]),
        functions=profiler.functions(inference.total, modelled),
        classes=profiler.classes(inference.total, modelled),
        outputs_sha256=hashlib.sha256(b"".join(output.tobytes() for output in device.outputs[0])).hexdigest(),
        notes=notes,
    )


def _counting(board: Board, arguments: list[str]) -> Simulator:
    """QEMU with the plugin."""
    plain = simulator_for(board, SIMULATOR)
    return replace(plain, command=lambda board, image: [*plain.command(board, image), *arguments])


def _profiler(board: Board, elf: Path, pieces: Sequence[Piece]) -> Profiler:
    table = cost_table(board.core.lower())
    return Profiler(load_program(elf), disassemble(elf, table.machine), pieces, table)


def _check_clock(measured: list[int] | None, inference: Inference) -> None:
    """The board's own clock must agree with the plugin: a difference means that one of them counts something else."""
    counted = inference.total.total()
    if measured is not None and not -_CLOCK_SLACK <= measured[0] - counted <= _CLOCK_SLACK:
        raise DeviceError(f"the board's clock counts {measured[0]:,} instructions, the plugin {counted:,}")


def _layers(model: Executable, inference: Inference, modelled_cycles: Sequence[int]) -> tuple[LayerCount, ...]:
    rows = zip(model.graph.main.operators, inference.operators, modelled_cycles, strict=True)
    return tuple(
        LayerCount(one.index, one.kind, one.outputs[0].name if one.outputs else "", executions.total(), cycles)
        for one, executions, cycles in rows
    )
