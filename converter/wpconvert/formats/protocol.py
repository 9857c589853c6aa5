"""What the job needs of a file format. It knows formats by these alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from wpconvert.engines.base import Advance, Engine, Place, Sample
from wpconvert.engines.coverage import Coverage
from wpconvert.engines.inputs import Inputs, Port
from wpconvert.files import Content, Workspace
from wpconvert.report.inspection import Inspection
from wpconvert.report.result import TensorCoverage, Verification

Files = Mapping[Path, Content]
"""What is to be written where."""
Counted = Callable[[int, int], None]
"""Called with the number of weights that are done, and of all."""


@dataclass(frozen=True)
class Dense:
    """A dense model on its way to its files, and what could not be given back of the original."""

    files: Files
    losses: list[str]


@dataclass(frozen=True)
class WeightLoss:
    """How the weights of a rewritten model differ from the original's.

    equal: those that nothing was to change. all_equal: all. lossy: whether some were changed. before: whether those of
    the original were already. reduced: whether operators compute with fewer bits than any dense model.
    """

    equal: bool
    all_equal: bool
    lossy: bool
    before: bool
    reduced: bool = False


@dataclass
class Runs:
    """Outputs of two models on the same samples.

    coverage: what the samples exercise of the first. compared: inner values that both have; different: how many of them
    differ, where any do.
    """

    engine: str
    before: list[Sample] = field(default_factory=list)
    after: list[Sample] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    compared: set[Place] = field(default_factory=set)
    different: dict[Place, int] = field(default_factory=dict)


class Comparison(Protocol):
    """Two models of which the second is to compute what the first does."""

    def check(self) -> None:
        """UsageError unless both have the same inputs and outputs."""

    def engine(self, name: str | None) -> Engine | None:
        """The engine of that name, None for the format's own choice; UsageError where it does not run them."""

    def ports(self) -> list[Port]:
        """The inputs of the first."""

    def drawn(self, ports: Sequence[Port], count: int, seed: int) -> Inputs:
        """So many random samples or more."""


@runtime_checkable
class Forms(Comparison, Protocol):
    """Two forms of one model in one file format, to be compared bit by bit."""

    @property
    def names(self) -> list[str]:
        """Of the outputs."""

    def weights(self) -> WeightLoss:
        """Compare the weights. ModelError where those of one are corrupt."""

    def run(self, inputs: Inputs, engine: Engine | None, advance: Advance) -> Runs:
        """Run both; `advance` is called twice a sample. UnsupportedError when nothing runs them."""

    def run_dense(self, inputs: Inputs, engine: Engine | None, runs: Runs) -> Runs:
        """Run the second one's own dense form beside it; `runs` are those of both models."""

    def covered(self, runs: Runs) -> tuple[tuple[TensorCoverage, ...], tuple[str, ...]]:
        """What samples exercise of the first, and names of tensors of which they exercise nothing."""

    def why(self, runs: Runs) -> list[str]:
        """Notes on where the models part."""


@runtime_checkable
class Lowering(Comparison, Protocol):
    """A model and one of another format that it was lowered to, which need not compute the same bits."""

    def verify(self, inputs: Inputs, engine: Engine | None, advance: Advance) -> Verification:
        """Run both and compare."""


class Source(Protocol):
    """A model file that was read."""

    @property
    def path(self) -> Path:
        """Of the file."""

    @property
    def nbytes(self) -> int:
        """Of the file and of others that it needs."""

    @property
    def files(self) -> Sequence[Path]:
        """Others that it needs."""

    @property
    def rewritten(self) -> bool:
        """Whether any weights are compressed."""

    def inspect(self, counted: Counted) -> Inspection:
        """Look at it; every lossless method is tried on every weight."""

    def restore(self, output: Path, workspace: Workspace) -> Dense:
        """The dense model for `output`."""

    def compared(self, other: Source) -> Comparison | None:
        """The comparison with a model that was made of this one; None where there is none."""
