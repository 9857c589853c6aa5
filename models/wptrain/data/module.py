"""What training, calibration and measurement ask of data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .draws import Key

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Provenance:
    """Where data comes from, for cards: a name, who published it, its licence, how the splits were made."""

    name: str
    origin: str
    licence: str
    split_rule: str


class Batch(NamedTuple):
    """`samples` float32 [n, height, width, channels], `labels` int64 [n]."""

    samples: NDArray[np.float32]
    labels: NDArray[np.int64]


class DataModule(Protocol):
    """Three disjoint splits of labelled samples; label i means `classes[i]`.

    `train` fits weights and calibrates the quantisation, `validation` chooses among epochs and settings, `test` is
    measured once, for the card. Splits never depend on a training's seed.
    """

    @property
    def provenance(self) -> Provenance: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        """Height, width, channels; of sound: frames, coefficients, 1."""
        ...

    def labels(self, split: SplitName) -> NDArray[np.int64]:
        """All labels of a split, int64 [n]; their number is the size of the split."""
        ...

    def batch(self, split: SplitName, indices: NDArray[np.int64], key: Key | None = None) -> Batch:
        """The samples at `indices`, changed at random as `key` and each index say; as they are without a key.

        Safe to call from several threads at once. Raises DataError when a sample cannot be decoded, FileError when it
        cannot be read.
        """
        ...

    def calibration(self, count: int) -> NDArray[np.float32]:
        """Up to `count` samples of `train`, unchanged, always the same ones."""
        ...

    def identity(self) -> str:
        """SHA-256 in hex of all that training reads: samples, labels, classes, and how samples may change."""
        ...


def whole(module: DataModule, split: SplitName) -> Batch:
    """All samples of a split that fits into memory, as they are."""
    return module.batch(split, np.arange(len(module.labels(split))))
