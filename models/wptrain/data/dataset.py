"""What every dataset loader returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """Labelled images: `images` float32 [n, height, width, channels] in [0, 1], `labels` int64 [n]."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """Three disjoint splits and where they come from.

    `train` fits weights and calibrates the quantisation, `validation` chooses among epochs and settings,
    `test` is measured once, for the card.
    """

    name: str
    origin: str
    licence: str
    split_rule: str
    train: Split
    validation: Split
    test: Split
