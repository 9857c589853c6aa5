"""A weight tensor as every file format presents it to the planner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import Pool
from wpconvert.model.layer import Layer


@dataclass(frozen=True)
class Stored:
    """The compressed form in which the input file has a weight: method, its blob, uint8[nbytes], and pool, if any.

    lossy: the weights had been changed before they were stored.
    """

    method: str
    blob: NDArray[np.uint8]
    pool: Pool | None = None
    lossy: bool = False


@dataclass(frozen=True)
class Weight:
    """One constant tensor that an operator multiplies with, or that is large enough to ask about.

    key: unique in the model (`subgraph:tensor` in a .tflite file). operators: names of the consuming operators.
    values: int8 in the shape that a codec stores, the tensor's or a matrix of its elements; None when `obstacle` says
    why the tensor cannot be rewritten.
    row_dims: the leading dimensions that make the rows of the stored matrix.
    overhead: bytes that rewriting adds beside the blob, net of what it removes.
    storage: weights with the same number share bytes in the file, so they are rewritten together or not at all.
    nbytes: of the dense weights. stored: how the input has them where it was rewritten before. layers: the operators
    that multiply with it, with plain weights. pool: the pool whose vectors the values are made of, where there is one.
    act_bits: of the activations that they are multiplied with, where they are stored with the pool. snr_db: of values
    that a transform changed, against those of the model.
    """

    key: str
    name: str
    operators: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    values: NDArray[np.int8] | None = None
    row_dims: int = 1
    overhead: int = 0
    storage: int = 0
    obstacle: str | None = None
    stored: Stored | None = None
    layers: tuple[Layer, ...] = ()
    pool: Pool | None = None
    act_bits: int = 8
    snr_db: float | None = None

    @property
    def zeros(self) -> int | None:
        """Number of zero weights, None where the values are not int8."""
        return None if self.values is None else self.values.size - int(np.count_nonzero(self.values))

    @property
    def sparsity(self) -> float | None:
        """Share of zero weights, 0 to 1."""
        zeros = self.zeros
        return None if zeros is None or self.values is None else zeros / max(1, self.values.size)

    @property
    def lossy(self) -> bool:
        """Whether the values are not those of the original model."""
        return self.snr_db is not None or (self.stored is not None and self.stored.lossy)

    @property
    def label(self) -> str:
        """How messages name the tensor."""
        return f"{self.name or '(unnamed)'} [{self.key}]"
