"""The results of a conversion, a verification and a restoration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from wpconvert.model.goal import BUNDLED
from wpconvert.report.view import View
from wpconvert.transforms.registry import FIELDS
from wpconvert.units import percent, quantity


@dataclass(frozen=True)
class TensorResult:
    """One weight tensor. nbytes_before and nbytes_after count its data, not its quantisation.

    cycles: predicted for the operators that multiply with it, cycles_dense with plain weights; None without a forecast.
    snr_db: signal-to-noise ratio of weights that a transform changed, in decibels, None where none changed. details:
    numbers of a transform, by name.
    """

    key: str
    name: str
    operators: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    sparsity: float | None
    method: str
    nbytes_before: int
    nbytes_after: int
    reason: str | None
    cycles: int | None = None
    cycles_dense: int | None = None
    snr_db: float | None = None
    details: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, those of all transforms among them: None for one that it does not have."""
        fields = asdict(self)
        details = fields.pop("details")
        return {**fields, **dict.fromkeys(FIELDS), **details}


@dataclass(frozen=True)
class FrontPoint:
    """A plan that no other beats in both bytes and cycles: those of flash, or of the file where that is the goal.

    nbytes: of the file. flash_nbytes: with code. `methods`: tensors by method.
    """

    nbytes: int
    flash_nbytes: int
    cycles: int
    methods: dict[str, int]
    chosen: bool


@dataclass(frozen=True)
class Forecast:
    """What the cost model of a board's core says of an inference: of the rewritten model, and of the dense one.

    code_nbytes: flash of kernels, runtime and C library, without the model and the board's own program. arena_nbytes:
    None where the runtime does not have the model's operators. front: smallest first. not_predicted: operators that
    the cost model lacks, left out of instructions and cycles; code_not_predicted: names whose code is left out.
    runtime: what runs the model.
    """

    target: str
    core: str
    optimize: str | None
    max_slowdown: float | None
    instructions: int
    cycles: int
    code_nbytes: int
    arena_nbytes: int | None
    instructions_dense: int
    cycles_dense: int
    code_nbytes_dense: int
    arena_nbytes_dense: int | None
    front: tuple[FrontPoint, ...]
    not_predicted: tuple[str, ...] = ()
    code_not_predicted: tuple[str, ...] = ()
    runtime: str = BUNDLED


@dataclass(frozen=True)
class Measurement:
    """What was measured of an inference on a board: of the rewritten model, and of the dense one.

    flash_nbytes: of model and code, without the board's own program. plans: how many were measured. Cycles are those
    that the cycle model gives the instructions that were counted.
    """

    target: str
    simulator: str
    instructions: int
    cycles: int
    flash_nbytes: int
    arena_nbytes: int
    instructions_dense: int
    cycles_dense: int
    flash_nbytes_dense: int
    arena_nbytes_dense: int
    plans: int


@dataclass(frozen=True)
class OutputComparison:
    """One output over all samples. `max_error` is in units of the last place for integer outputs, absolute for floats.

    snr_db: signal-to-noise ratio in decibels, None when equal. top1: share of samples with the same arg max, 0 to 1.
    accuracy: share of samples whose arg max is the label, (original, rewritten), when labels were given.
    """

    name: str
    dtype: str
    equal: bool
    values: int
    different: int
    max_error: float
    snr_db: float | None
    top1: float
    accuracy: tuple[float, float] | None = None


@dataclass(frozen=True)
class TensorCoverage:
    """What the samples exercise of a tensor that an operator of the original computes.

    channels: along the last axis. exercised: those of which an element has several values in the samples (one, where
    there is one sample only), not counting the least and the largest of an 8- or 16-bit type. different: values that
    the rewritten model computes otherwise; None where they were not compared.
    """

    key: str
    name: str
    operator: str
    channels: int
    exercised: int
    different: int | None = None


@dataclass(frozen=True, repr=False)
class Verification(View):
    """Whether a rewritten model holds what its methods promise: `passed` is the verdict, `promise` says of what.

    weights_equal: of those that nothing was to change; None where the formats have none in common. lossy: whether the
    outputs may differ from the original's. coverage: of what operators compute from the inputs; empty where the engine
    does not tell it. unexercised: names of outputs, and of such tensors, of which the samples exercise nothing.
    """

    printer: ClassVar[str] = "wpconvert.report.text:print_verification"

    passed: bool
    promise: str
    engine: str
    samples: int
    weights_equal: bool | None
    outputs: tuple[OutputComparison, ...]
    notes: tuple[str, ...] = ()
    lossy: bool = False
    coverage: tuple[TensorCoverage, ...] = ()
    unexercised: tuple[str, ...] = ()

    def summary(self) -> str:
        verdict = f"verified: {self.promise}" if self.passed else f"FAILED, expected {self.promise}"
        return f"{verdict}, on {quantity(self.samples, 'sample')} ({self.engine} engine)"


@dataclass(frozen=True, repr=False)
class Conversion(View):
    """What a conversion did. `notes` are for the user; `verification` is None when it was not asked for.

    attached_before, attached_after: of the files' bytes, those after the model, which no device holds. network: of an
    `.onnx` model that was lowered, how the result compares with it; `verification` is then beside the lowered model.
    """

    printer: ClassVar[str] = "wpconvert.report.text:print_conversion"

    source: str
    method: str
    nbytes_before: int
    nbytes_after: int
    tensors: tuple[TensorResult, ...]
    notes: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    verification: Verification | None = field(default=None)
    forecast: Forecast | None = None
    measured: Measurement | None = None
    attached_before: int = 0
    attached_after: int = 0
    network: Verification | None = None

    def to_dict(self) -> dict[str, Any]:
        """All of it as numbers, texts, lists and dictionaries."""
        return {**asdict(self), "tensors": [tensor.to_dict() for tensor in self.tensors]}

    @property
    def failed(self) -> bool:
        """Whether the result does not hold what its methods promise."""
        return self.verification is not None and not self.verification.passed

    @property
    def rewritten(self) -> int:
        """Number of tensors that were rewritten."""
        return sum(tensor.method != "none" for tensor in self.tensors)

    def summary(self) -> str:
        checked = "not verified" if self.verification is None else self.verification.summary()
        return (
            f"{self.source}, {self.nbytes_before:,} → {self.nbytes_after:,} bytes "
            f"({percent(self.nbytes_after, self.nbytes_before)}), "
            f"{self.rewritten} of {len(self.tensors)} tensors rewritten, {checked}"
        )


@dataclass(frozen=True)
class Restored:
    """What restoring did: whether there was anything to do, what could not be given back, and the files written."""

    rewritten: bool
    losses: list[str]
    files: tuple[Path, ...]
    nbytes_before: int
    nbytes_after: int
