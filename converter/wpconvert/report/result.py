"""The results of a conversion, an inspection and a verification."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TensorResult:
    """One weight tensor. nbytes_before and nbytes_after count its data, not its quantisation."""

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
class Verification:
    """Whether a rewritten model holds what its methods promise: `passed` is the verdict, `promise` says of what."""

    passed: bool
    promise: str
    engine: str
    samples: int
    weights_equal: bool
    outputs: tuple[OutputComparison, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conversion:
    """What a conversion did. `notes` are for the user; `verification` is None when it was not asked for."""

    source: str
    method: str
    nbytes_before: int
    nbytes_after: int
    tensors: tuple[TensorResult, ...]
    notes: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    verification: Verification | None = field(default=None)

    @property
    def rewritten(self) -> int:
        """Number of tensors that were rewritten."""
        return sum(tensor.method != "none" for tensor in self.tensors)
