"""What a benchmark found. Instructions are measured; cycles are modelled and called so in every field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from wpconvert.report.view import View


@dataclass(frozen=True)
class LayerCount:
    """One operator of the model, in the order of execution. `name`: its first output, "" in a stripped model."""

    index: int
    operator: str
    name: str
    instructions: int
    modelled_cycles: int


@dataclass(frozen=True)
class FunctionCount:
    """One function during an inference. `part`: kernels, runtime, C library …"""

    name: str
    part: str
    instructions: int
    modelled_cycles: int


@dataclass(frozen=True)
class ClassCount:
    """Instructions of one class during an inference."""

    name: str
    instructions: int
    modelled_cycles: int


@dataclass(frozen=True, repr=False)
class Benchmark(View):
    """One model on one target.

    instructions: executed by one Invoke, exact; the layers and `interpreter_instructions` add up to it, and so do
    functions and classes. Modelled cycles add up likewise. prepare_instructions: by AllocateTensors, once.
    flash_nbytes: bytes of the image by part; arena_nbytes: what the interpreter uses of its arena. outputs_sha256: of
    the outputs' bytes, one after the other.
    """

    printer: ClassVar[str] = "wpconvert.benchmark.text:print_benchmark"

    path: str
    target: str
    core: str
    simulator: str
    file_nbytes: int
    instructions: int
    modelled_cycles: int
    prepare_instructions: int
    interpreter_instructions: int
    interpreter_modelled_cycles: int
    arena_nbytes: int
    flash_nbytes: Mapping[str, int]
    layers: tuple[LayerCount, ...]
    functions: tuple[FunctionCount, ...]
    classes: tuple[ClassCount, ...]
    outputs_sha256: str
    notes: tuple[str, ...] = ()

    @property
    def code_nbytes(self) -> int:
        """Flash of everything but the model."""
        return sum(self.flash_nbytes.values()) - self.flash_nbytes["model"]

    def summary(self) -> str:
        return (
            f"{self.path} on {self.target}, {self.instructions:,} instructions, "
            f"{self.modelled_cycles:,} modelled cycles, "
            f"arena {self.arena_nbytes:,} bytes, flash {sum(self.flash_nbytes.values()):,} bytes"
        )


@dataclass(frozen=True, repr=False)
class Comparison(View):
    """A benchmark and the one it is compared with, on the same target."""

    printer: ClassVar[str] = "wpconvert.benchmark.text:print_comparison"

    model: Benchmark
    against: Benchmark

    @property
    def same_outputs(self) -> bool:
        """Whether both gave the same bits."""
        return self.model.outputs_sha256 == self.against.outputs_sha256

    def summary(self) -> str:
        same = "same outputs" if self.same_outputs else "other outputs"
        return f"{self.model.summary()}; against {self.against.path}, {self.against.instructions:,}; {same}"
