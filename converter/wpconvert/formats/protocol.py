"""What the job needs of a file format. It knows formats by these alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from wpconvert.engines.base import Advance, Engine, Place
from wpconvert.engines.coverage import Coverage
from wpconvert.engines.inputs import Inputs, Port
from wpconvert.files import Content, Workspace
from wpconvert.graph.executable import Executable
from wpconvert.graph.types import Sample
from wpconvert.model.convolution import Convolution
from wpconvert.model.layer import Layer
from wpconvert.model.plan import Outcome, Progress
from wpconvert.model.rules import Choice
from wpconvert.model.settings import Settings
from wpconvert.model.weight import Weight
from wpconvert.report.inspection import Inspection
from wpconvert.report.result import TensorCoverage, Verification
from wpconvert.transforms.base import DenseModel

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
        """Run the second one's own dense form next to it; `runs` are those of both models."""

    def covered(self, runs: Runs) -> tuple[tuple[TensorCoverage, ...], tuple[str, ...]]:
        """What samples exercise of the first, and names of tensors of which they exercise nothing."""

    def why(self, runs: Runs) -> list[str]:
        """Notes on where the models part."""


@runtime_checkable
class Lowering(Comparison, Protocol):
    """A model and one of another format that it was lowered to, which need not compute the same bits."""

    def verify(self, inputs: Inputs, engine: Engine | None, advance: Advance) -> Verification:
        """Run both and compare."""


class Result(Protocol):
    """A model that was written, but is not in its place yet."""

    @property
    def nbytes(self) -> int:
        """Of all its files."""

    @property
    def attached_nbytes(self) -> int:
        """Of these, those behind the model, which no device holds."""

    def content(self) -> bytes:
        """The model file."""

    def source(self) -> Source:
        """The model, read again."""

    def files(self, output: Path) -> Files:
        """What is to be written for a model at `output`."""


@dataclass(frozen=True)
class Written:
    """A result, what it says of itself, and whether it is another model than the input."""

    result: Result
    notes: tuple[str, ...] = ()
    changed: bool = True


class Draft(Protocol):
    """A model on its way to another file.

    Sizes are those of models without what is attached behind them.
    """

    @property
    def weights(self) -> Sequence[Weight]:
        """Of the dense model, with how the input has them."""

    @property
    def notes(self) -> Sequence[str]:
        """What there is to say of the input."""

    @property
    def nbytes(self) -> int:
        """Of the input."""

    @property
    def plain_nbytes(self) -> int:
        """Of the file with no tensor rewritten."""

    @property
    def plain_note(self) -> str:
        """Why that is smaller than the input, where it is."""

    @property
    def anew(self) -> bool:
        """Whether the input is written anew even if nothing else changes."""

    def check(self, choices: Sequence[Choice]) -> None:
        """UsageError for what the format does not have."""

    def dense(self) -> DenseModel | None:
        """The dense model, for transforms; None where lossy methods change weights as they encode them."""

    def take(self, dense: DenseModel) -> None:
        """Go on with a changed form of the dense model."""

    def encode(self, choices: Sequence[Choice], progress: Progress) -> list[Outcome]:
        """Encode every weight as chosen."""

    def paying(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes, without those that the file is no smaller with."""

    def write(self, outcomes: Sequence[Outcome], below: int) -> Written:
        """The file with these outcomes, if possible of fewer than `below` bytes."""

    def plain(self) -> Written:
        """The file with no tensor rewritten, smaller than the input."""

    def input(self) -> Written:
        """The input as it is."""


@runtime_checkable
class Planned(Draft, Protocol):
    """A draft for a device, of which the planner can say what it takes there."""

    @property
    def layers(self) -> Sequence[Layer]:
        """All operators of the dense model, as the runtime of the goal runs them."""

    def arena(self, result: Result | None) -> int:
        """Bytes of the arena of a result of this draft, or of the dense model; UnsupportedError where it is unknown."""

    def needs(self, outcomes: Sequence[Outcome], items: Sequence[Sequence[Weight]]) -> list[int]:
        """Bytes of the arena that each item needs while its operators run: the activations beside it, and scratch."""


class Lowered(Protocol):
    """A model that was lowered to one of another format."""

    @property
    def source(self) -> Source:
        """The lowered model, by the path of the one that it was made of."""

    def inputs(self) -> Comparison:
        """What samples of the model before are drawn for."""

    def lowered_samples(self, inputs: Inputs) -> Inputs:
        """The same samples as the lowered model takes them."""

    def compare(self, rewritten: Source, inputs: Inputs, engine: Engine | None, advance: Advance) -> Verification:
        """A rewritten form of the lowered model beside the one before. UnsupportedError, ModelError."""


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

    def content(self) -> bytes:
        """The model file."""

    def executable(self) -> Executable:
        """The model as engines and firmware take it, which stays as it is; UnsupportedError for another format."""

    def convolutions(self) -> list[Convolution]:
        """Its layers with weights, in their order; fully connected ones too. ModelError, UnsupportedError."""

    def inspect(self, counted: Counted) -> Inspection:
        """Look at it; every lossless method is tried on every weight."""

    def restore(self, output: Path, workspace: Workspace) -> Dense:
        """The dense model for `output`."""

    @property
    def attached_nbytes(self) -> int:
        """Bytes behind the model, which no device holds."""

    def outputs(self, output: Path) -> Sequence[Path]:
        """The files that a rewritten model at `output` may have."""

    def draft(self, settings: Settings, workspace: Workspace) -> Draft:
        """The model for another file, staged in the workspace. UnsupportedError, ModelError."""

    def lower(self, calibration: Path | None) -> Lowered:
        """The model in another format, for a device; calibration: samples to quantise it with. UnsupportedError."""

    def compared(self, other: Source) -> Comparison | None:
        """The comparison with a model that was made of this one; None where there is none."""
