"""A weight tensor as every file format presents it to the planner."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import Side
from wpconvert.model.changed import Changed
from wpconvert.model.layer import Layer


class Form(Protocol):
    """A compressed weight as a file has it: the blob of a codec, or what else a format has."""

    @property
    def nbytes(self) -> int:
        """All its bytes."""


@dataclass(frozen=True)
class Stored:
    """The compressed form in which the input file has a weight, by a method.

    changed: what a transform has to do with it, if one has. lossy: the weights had been changed before they were
    stored.
    """

    method: str
    form: Form
    changed: Changed | None = None
    lossy: bool = False


@dataclass(frozen=True)
class Weight:
    """One constant tensor that an operator multiplies with, or that is large enough to ask about.

    Those of a .tflite file are `Rewritable` or `Fixed`; those of an .onnx file that are not `Fixed` have their values
    where they are in the file.

    key: unique in the model (`subgraph:tensor` in a .tflite file). operators: names of the consuming operators.
    overhead: bytes that rewriting adds to the blob, net of what it removes.
    storage: weights with the same number share bytes in the file, so they are rewritten together or not at all.
    nbytes: of the dense weights. stored: how the input has them where it was rewritten before. layers: the operators
    that multiply with it, with plain weights. changed: what a transform has made of it. zeros: their share, where the
    values are elsewhere and somebody has counted.
    """

    key: str
    name: str
    operators: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    overhead: int = 0
    storage: int = 0
    stored: Stored | None = None
    layers: tuple[Layer, ...] = ()
    changed: Changed | None = None
    zeros: float | None = None

    @property
    def sparsity(self) -> float | None:
        """Share of zero weights, 0 to 1; None where they are not counted."""
        return self.zeros

    @property
    def lossy(self) -> bool:
        """Whether the values are not those of the original model."""
        changed = self.changed is not None and self.changed.snr_db is not None
        return changed or (self.stored is not None and self.stored.lossy)

    @property
    def side(self) -> Side | None:
        """Data that its codec reads beside the blob."""
        return None if self.changed is None else self.changed.side

    @property
    def stored_nbytes(self) -> int:
        """Bytes of the weight in the input, dense or compressed."""
        return self.nbytes if self.stored is None else self.stored.form.nbytes

    @property
    def label(self) -> str:
        """How messages name the tensor."""
        return f"{self.name or '(unnamed)'} [{self.key}]"


@dataclass(frozen=True, kw_only=True)
class Rewritable(Weight):
    """A weight that can be rewritten.

    values: in the shape that a codec stores, the tensor's or a matrix of its elements. row_dims: the leading dimensions
    that make the rows of the stored matrix.
    """

    values: NDArray[np.int8]
    row_dims: int = 1

    @property
    def sparsity(self) -> float:
        """Share of zero weights, 0 to 1."""
        return (self.values.size - int(np.count_nonzero(self.values))) / max(1, self.values.size)


@dataclass(frozen=True, kw_only=True)
class Fixed(Weight):
    """A weight that is unchanged, because of an obstacle."""

    obstacle: str

    @classmethod
    def with_obstacle(cls, weight: Weight, obstacle: str) -> Fixed:
        """The weight, which is unchanged."""
        return cls(**{f.name: getattr(weight, f.name) for f in fields(Weight)}, obstacle=obstacle)


def obstacle_of(weight: Weight) -> str | None:
    """Why a weight is unchanged; None where it can be rewritten."""
    return weight.obstacle if isinstance(weight, Fixed) else None
