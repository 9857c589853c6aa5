"""Reads a whole dataset once, so that training does not meet a damaged file after hours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import FileError, WpconvertError
from wptrain.errors import DataError

from .module import SPLITS, Batch, DataModule, SplitName

_CHUNK = 256


@dataclass
class Checked:
    """Samples of each split, their smallest and largest number, and a line for each sample that cannot be read."""

    sizes: dict[SplitName, int] = field(default_factory=dict)
    lowest: float = float("inf")
    highest: float = float("-inf")
    problems: list[str] = field(default_factory=list)


def check(module: DataModule, progress: Callable[[int], None] = lambda _: None) -> Checked:
    """Read every sample as it is. `progress` is told the number of samples of each step."""
    found = Checked()
    for split in SPLITS:
        found.sizes[split] = size = len(module.labels(split))
        for start in range(0, size, _CHUNK):
            indices = np.arange(start, min(start + _CHUNK, size))
            for batch in _readable(module, split, indices, found.problems):
                found.lowest = min(found.lowest, float(batch.samples.min()))
                found.highest = max(found.highest, float(batch.samples.max()))
            progress(len(indices))
    return found


def _readable(module: DataModule, split: SplitName, indices: NDArray[np.int64], problems: list[str]) -> list[Batch]:
    """The batch, or each sample of it that can be read."""
    try:
        return [module.batch(split, indices)]
    except (DataError, FileError) as error:
        if len(indices) == 1:
            problems.append(_line(error))
            return []
    return [batch for index in indices for batch in _readable(module, split, np.array([index]), problems)]


def _line(error: WpconvertError) -> str:
    return " ".join(str(error).split())
