"""How loaders cut off the images that choose among epochs and settings, and those that are measured once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from wptrain.errors import DataError

SPLIT_SEED = 0
# One image in so many.
SHARE = 10


def hold_out(labels: NDArray[np.int64], where: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the images kept, and of the tenth that is held out, stratified by class.

    The seed is a constant: another training seed must not move images between the splits. Raises DataError naming
    `where` when there are too few images for one of every class.
    """
    counts = np.unique(labels, return_counts=True)[1]
    size = len(labels) // SHARE
    if size < len(counts) or counts.min(initial=2) < 2:
        raise DataError(
            f"{where}: {len(labels)} images of {len(counts)} classes, {counts.min(initial=0)} in the smallest: too few "
            f"to hold out one in {SHARE}; about {SHARE} images a class are needed"
        )
    kept, held = train_test_split(np.arange(len(labels)), test_size=size, random_state=SPLIT_SEED, stratify=labels)
    return kept, held


RULE = f"stratified `train_test_split` with random_state {SPLIT_SEED}, one image in {SHARE}"
