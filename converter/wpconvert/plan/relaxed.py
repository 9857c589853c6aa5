"""Problems whose limit has a price instead: what no plan within the limit is below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

INF = float("inf")
_TANGENTS = 50

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Relaxed:
    """At a price u an option counts `values` + u `limited`, [items, options]; to a plan's sum of these comes `added` −
    u `allowed`, [sets of names].

    No plan within the limit counts more than without relaxation, so that the least sum is a bound.
    """

    values: Floats
    limited: Floats
    added: Floats
    allowed: Floats

    def priced(self, price: float) -> tuple[Floats, Floats]:
        """What options count, and what is added."""
        return self.values + price * self.limited, self.added - price * self.allowed

    def reaches(self, least: float, prices: Sequence[float], index: int, outside: NDArray[np.bool_]) -> bool:
        """Whether the bound of set `index` is `least` at any price from the first to the last.

        outside: options that the set does not have, [items, options]. The bound is concave and made of straight lines:
        where the tangents at two prices meet is the next price.
        """
        low, high = prices[0], prices[-1]
        below, rise = self._tangent(low, index, outside)
        above, fall = self._tangent(high, index, outside)
        if max(below, above) >= least:
            return True
        for _ in range(_TANGENTS):
            if rise <= 0 or fall >= 0:
                break
            price = (above - below + rise * low - fall * high) / (rise - fall)
            if below + rise * (price - low) < least or not low < price < high:
                break
            value, slope = self._tangent(price, index, outside)
            if value >= least:
                return True
            if slope > 0:
                low, below, rise = price, value, slope
            else:
                high, above, fall = price, value, slope
        return False

    def _tangent(self, price: float, index: int, outside: NDArray[np.bool_]) -> tuple[float, float]:
        """The bound of a set at a price, and its slope."""
        options = np.where(outside, INF, self.values + price * self.limited)
        taken = (np.arange(len(options)), options.argmin(axis=1))
        slope = self.limited[taken].sum() - self.allowed[index]
        return float(options[taken].sum() + self.added[index] - price * self.allowed[index]), float(slope)
