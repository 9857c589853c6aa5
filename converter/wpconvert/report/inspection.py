"""What `inspect` tells about a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wpconvert.model.provenance import Provenance
from wpconvert.model.weight import Weight
from wpconvert.report.view import View


@dataclass(frozen=True)
class AttachedFile:
    """A file in an archive after the model. nbytes: unpacked."""

    name: str
    nbytes: int


@dataclass(frozen=True)
class WeightInfo:
    """One weight.

    entropy: order-0, bits a weight. bound: entropy · weights, in bytes. methods: bytes of the blob of each that can
    hold it.
    """

    key: str
    name: str
    operators: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    sparsity: float | None
    entropy: float | None
    bound: int | None
    methods: dict[str, int]
    stored_as: str | None
    obstacle: str | None


@dataclass(frozen=True)
class SharedInfo:
    """Side data that weights share. kind: the codec's name for it. tensors: keys of the weights that need it.

    nbytes: of its tensor. details: what it consists of, by the codec's names; text: the same in words.
    """

    kind: str
    nbytes: int
    tensors: tuple[str, ...]
    details: Mapping[str, int | str]
    text: str


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of the model."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, repr=False)
class Inspection(View):
    """The whole of it. operators: how many of each, over all subgraphs.

    attached: the files attached to the model; attached_nbytes: of all that stands there, whatever it is.
    notes: what is odd in the file.
    """

    printer: ClassVar[str] = "wpconvert.report.inspection_text:print_inspection"

    path: str
    nbytes: int
    description: str
    subgraphs: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: dict[str, int]
    signatures: tuple[str, ...]
    metadata: tuple[str, ...]
    provenance: Provenance | None
    weights: tuple[WeightInfo, ...]
    shared: tuple[SharedInfo, ...] = ()
    attached: tuple[AttachedFile, ...] = ()
    attached_nbytes: int = 0
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        stored = sum(weight.stored_as is not None for weight in self.weights)
        return (
            f"{self.path}, {self.nbytes:,} bytes, {sum(self.operators.values())} operators, "
            f"{len(self.weights)} weights, {stored} of them rewritten before"
        )


def entropy_bits(values: NDArray[Any]) -> float:
    """Order-0 entropy of values of one byte each, bits a value."""
    counts = np.bincount(values.reshape(-1).view(np.uint8), minlength=256)
    shares = counts[counts > 0] / values.size
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def weight_info(
    weight: Weight,
    shape: tuple[int, ...],
    dtype: str,
    values: NDArray[Any] | None,
    methods: dict[str, int],
    stored_as: str | None,
    obstacle: str | None,
) -> WeightInfo:
    """What there is to say of a weight. values: None where it cannot be rewritten; zeros have no bit set.

    The entropy is that of elements of one byte.
    """
    bits = None if values is None else np.ascontiguousarray(values).view(f"u{values.itemsize}")
    entropy = None if bits is None or bits.itemsize > 1 else entropy_bits(bits)
    return WeightInfo(
        weight.key,
        weight.name,
        weight.operators,
        shape,
        dtype,
        weight.nbytes,
        None if bits is None else 1 - np.count_nonzero(bits) / bits.size,
        entropy,
        None if values is None or entropy is None else int(np.ceil(entropy * values.size / 8)),
        methods,
        stored_as,
        obstacle,
    )
