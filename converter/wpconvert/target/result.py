"""The result of `wpconvert run`."""

from __future__ import annotations

from dataclasses import dataclass

from wpconvert.report.result import OutputComparison


@dataclass(frozen=True)
class TargetReport:
    """A model on a board, compared with the reference interpreter; `identical` is the verdict.

    instructions: of each inference, measured, exact to a tick of the board's counter; None where the simulator does
    not count. arena_nbytes: used; code_nbytes: the program with kernels, runtime, constants and the C library;
    model_nbytes: the model in flash; ram_nbytes: stack and variables besides the arena.
    """

    model: str
    target: str
    simulator: str
    samples: int
    identical: bool
    outputs: tuple[OutputComparison, ...]
    instructions: list[int] | None
    instructions_mean: int | None
    prepare_instructions: int | None
    arena_nbytes: int
    code_nbytes: int
    model_nbytes: int
    ram_nbytes: int
    notes: tuple[str, ...] = ()
