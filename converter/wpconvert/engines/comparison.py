"""Comparing what two models compute, bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.graph.types import Sample
from wpconvert.model.noise import snr_db
from wpconvert.report.result import OutputComparison


def compare_output(
    name: str, index: int, before: Sequence[Sample], after: Sequence[Sample], labels: NDArray[np.int64] | None
) -> OutputComparison:
    """Compare output `index` of all samples bit by bit; `labels` adds the accuracy of both sides."""
    pairs = [(x[index], y[index]) for x, y in zip(before, after, strict=True)]
    if any((x.dtype, x.shape) != (y.dtype, y.shape) for x, y in pairs):
        size = sum(x.size for x, _ in pairs)
        return OutputComparison(name, str(pairs[0][0].dtype), False, size, size, float("inf"), None, 0.0, None)
    # An output's size may depend on its values, then samples differ.
    a, b = (np.concatenate([pair[side].reshape(-1) for pair in pairs]) for side in (0, 1))
    # Bits, not values: −0.0 and 0.0 differ, and equal NaNs are equal.
    apart = bits_of(a) != bits_of(b)
    count = int(np.count_nonzero(apart))
    # Infinities and NaNs have no distance; what comes out then is NaN.
    with np.errstate(all="ignore"):
        x, y = a.astype(np.float64), b.astype(np.float64)
        error = np.abs(x - y)[apart]
        signal, noise = float(np.square(x).sum()), float(np.square(error).sum())
    snr = None if count == 0 else snr_db(signal, noise)
    classes = [np.array([_top(pair[side]) for pair in pairs]) for side in (0, 1)]
    accuracy = None
    if labels is not None:
        accuracy = (float(np.mean(classes[0] == labels)), float(np.mean(classes[1] == labels)))
    return OutputComparison(
        name,
        str(a.dtype),
        count == 0,
        a.size,
        count,
        float(error.max()) if error.size else 0.0,
        snr,
        float(np.mean(classes[0] == classes[1])),
        accuracy,
    )


def _top(values: NDArray[Any]) -> int:
    """The class that an output means: the place of its largest value, or the number of the class itself."""
    if values.size == 1 and values.dtype.kind in "iu" and values.itemsize >= 4:
        return int(values.item())
    return int(values.argmax()) if values.size else -1


def bits_of(values: NDArray[Any]) -> NDArray[Any]:
    """The bits of numbers, as unsigned ones."""
    return values.view(f"u{values.dtype.itemsize}")
