"""The result of `wpconvert run`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wpconvert.report.result import OutputComparison
from wpconvert.report.view import View
from wpconvert.units import quantity


@dataclass(frozen=True, repr=False)
class TargetReport(View):
    """A model on a board, compared with the reference interpreter; `identical` is the verdict.

    instructions: of each inference, measured, exact to a tick of the board's counter; None where the simulator does
    not count. arena_nbytes: used; code_nbytes: the program with kernels, runtime, constants and the C library;
    model_nbytes: the model in flash; ram_nbytes: stack and variables besides the arena.
    """

    printer: ClassVar[str] = "wpconvert.target.text:print_run"

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

    def summary(self) -> str:
        verdict = "identical outputs" if self.identical else "FAILED: other outputs"
        counted = "" if self.instructions_mean is None else f", {self.instructions_mean:,} instructions"
        return f"{self.model} on {self.target}, {verdict} on {quantity(self.samples, 'sample')}{counted}"
