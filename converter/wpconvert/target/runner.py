"""Run a model on a board: image, inputs, simulator, outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wpconvert.errors import DeviceError, UnsupportedError, UsageError
from wpconvert.graph.executable import Executable
from wpconvert.graph.structure import Tensor
from wpconvert.graph.types import Sample
from wpconvert.target.board import Board
from wpconvert.target.facts import Facts, explain_fault, read_facts
from wpconvert.target.image import Image, build_image
from wpconvert.target.simulator import Simulator, crash_reason, simulate, simulator_for
from wpconvert.temporary import temporary_folder

DEFAULT_TIMEOUT_S = 300.0

Port = tuple[tuple[int, ...], np.dtype[Any]]
"""Shape and type of an input or output."""


@dataclass(frozen=True)
class DeviceRun:
    """What a board did. Instructions are per sample, exact to one tick of the board's counter (31 or 40
    instructions); None where the simulator does not count them. arena_nbytes: what the model used.
    """

    board: str
    simulator: str
    outputs: list[Sample]
    instructions: list[int] | None
    prepare_instructions: int | None
    arena_nbytes: int
    image: Image


class _ArenaTooSmallError(UnsupportedError):
    """The model needs at least `needed` bytes."""

    def __init__(self, needed: int) -> None:
        super().__init__(f"an arena of {needed:,} bytes or more is needed")
        self.needed = needed


def run_on(
    board: Board,
    model: Executable,
    samples: Sequence[Sample],
    *,
    data: bytes | None = None,
    simulator: str | Simulator = "qemu",
    timeout_s: float = DEFAULT_TIMEOUT_S,
    arena_nbytes: int | None = None,
    defines: tuple[str, ...] = (),
) -> DeviceRun:
    """Run the samples on a board; `data` are the model's bytes where they exist already.

    `simulator` is a name, or what a Simulator of one's own does; `arena_nbytes` defaults to the most that the board
    has; `defines` are macros for all sources. Raises UsageError for samples that do not fit the model,
    UnsupportedError for a model that does not fit the board or runtime, ToolError for missing tools, DeviceError when
    the device faults or takes longer than `timeout_s`.
    """
    chosen = simulator if isinstance(simulator, Simulator) else simulator_for(board, simulator)
    # Fails early when the simulator is missing.
    chosen.command(board, Path("image.elf"))
    _check_samples(_ports(model)[0], samples)
    content = model.content() if data is None else data

    def attempt(samples: Sequence[Sample], arena: int | None) -> DeviceRun:
        image = build_image(board, model, content, arena, defines)
        return run_image(board, chosen, image, model, samples, timeout_s)

    try:
        return attempt(samples, arena_nbytes)
    except _ArenaTooSmallError as error:
        if arena_nbytes is None or arena_nbytes >= board.arena_nbytes:
            raise _too_large_for(board, error.needed) from error
    try:
        # What the device says of a small arena is a lower bound; with room enough it knows.
        works = attempt([], None).arena_nbytes
    except _ArenaTooSmallError as error:
        raise _too_large_for(board, error.needed) from error
    raise UnsupportedError(
        f"an arena of {arena_nbytes:,} bytes is too small for this model; {works:,} bytes are enough"
    )


def _too_large_for(board: Board, needed: int) -> UnsupportedError:
    return UnsupportedError(
        f"this model needs an arena of at least {needed:,} bytes, {board.name} has {board.arena_nbytes:,}"
    )


def run_image(
    board: Board,
    simulator: Simulator,
    image: Image,
    model: Executable,
    samples: Sequence[Sample],
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> DeviceRun:
    """Run an image that was built with this model inside; it may come from elsewhere. Raises what run_on raises."""
    outputs = _ports(model)[1]
    with temporary_folder() as folder:
        (folder / "inputs.bin").write_bytes(_input_stream(samples))
        code, printed = simulate(simulator.command(board, image.path), folder, timeout_s)
        facts = read_facts(printed)
        _check(board, image, code, printed, facts, len(samples))
        raw = (folder / "outputs.bin").read_bytes()
    expected = len(samples) * sum(_nbytes(port) for port in outputs)
    if len(raw) != expected or len(facts.ticks) != len(samples):
        raise DeviceError(f"{board.name}: expected {expected} bytes of output, the device wrote {len(raw)}")
    return DeviceRun(
        board.name,
        simulator.name,
        _split(raw, outputs, len(samples)),
        [_instructions(ticks, facts) for ticks in facts.ticks] if simulator.exact else None,
        _instructions(facts.prepare, facts) if simulator.exact and facts.prepare is not None else None,
        facts.arena or 0,
        image,
    )


def _input_stream(samples: Sequence[Sample]) -> bytes:
    """inputs.bin as runtime/ports/common/runner.cc reads it."""
    arrays = (np.ascontiguousarray(array) for sample in samples for array in sample)
    return len(samples).to_bytes(4, "little") + b"".join(array.tobytes() for array in arrays)


def _ports(model: Executable) -> tuple[list[Port], list[Port]]:
    """Shape and type of the model's inputs and outputs."""
    main = model.graph.main
    return list(map(_port, main.inputs)), list(map(_port, main.outputs))


def _port(tensor: Tensor) -> Port:
    if tensor.dtype.numpy is None:
        raise UnsupportedError(f"tensor {tensor.name!r} has type {tensor.dtype}, which the runtime does not have")
    return tensor.shape, tensor.dtype.numpy


def _check_samples(inputs: Sequence[Port], samples: Sequence[Sample]) -> None:
    for sample in samples:
        given = [(array.shape, array.dtype) for array in sample]
        if given != list(inputs):
            raise UsageError(f"got inputs {_port_text(given)}, the model takes {_port_text(inputs)}")


def _port_text(ports: Sequence[Port]) -> str:
    return ", ".join(f"{dtype} {list(shape)}" for shape, dtype in ports) or "none"


def _nbytes(port: Port) -> int:
    shape, dtype = port
    return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize


def _split(raw: bytes, outputs: Sequence[Port], count: int) -> list[Sample]:
    result, offset = [], 0
    for _ in range(count):
        sample: Sample = []
        for port in outputs:
            shape, dtype = port
            sample.append(np.frombuffer(raw, dtype, _nbytes(port) // dtype.itemsize, offset).reshape(shape))
            offset += _nbytes(port)
        result.append(sample)
    return result


def _instructions(ticks: int, facts: Facts) -> int:
    """Instructions of a time, where one takes a nanosecond."""
    return round(ticks * 1_000_000_000 / (facts.hz or 1_000_000_000))


def _check(board: Board, image: Image, code: int, printed: str, facts: Facts, samples: int) -> None:
    """Raise what went wrong on the device."""
    if facts.fault is not None:
        where = f"during inference {len(facts.ticks) + 1}" if facts.arena is not None else "during start-up"
        raise DeviceError(f"{board.name} faulted {where}: {explain_fault(facts.fault, image.path)}")
    if facts.error is not None and facts.arena is not None and facts.arena > image.arena_nbytes:
        raise _ArenaTooSmallError(facts.arena)
    if facts.error is not None:
        raise UnsupportedError(f"{board.name} cannot run this model: {facts.error}")
    if facts.done != samples:
        raise DeviceError(
            f"{board.name}: the simulator exited before the program finished: {crash_reason(code, printed)}"
        )
