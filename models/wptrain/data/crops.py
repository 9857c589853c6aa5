"""Which part of an image becomes a sample."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Left, upper, right and lower edge in pixels, as Pillow's `resize` takes them.
Box = tuple[float, float, float, float]
_TRIES = 10
_RATIOS = (3 / 4, 4 / 3)
DRAWS = 4 * _TRIES
"""Random numbers that `random` uses."""


def central(size: tuple[int, int], share: float) -> Box:
    """The square in the middle whose side is `share` of the shorter side, at most all of it."""
    width, height = size
    side = min(size) * min(share, 1.0)
    left, upper = (width - side) / 2, (height - side) / 2
    return left, upper, min(left + side, width), min(upper + side, height)


def random(size: tuple[int, int], area: float, draws: NDArray[np.float64]) -> Box:
    """A part with a random share of the image's area, from `area` to 1, and sides of 3:4 to 4:3 (Szegedy et al. 2014).

    `draws`: DRAWS numbers in [0, 1), four for each try; where no try fits, the largest part in the middle.
    """
    width, height = size
    low, high = (math.log(ratio) for ratio in _RATIOS)
    for share, shape, across, down in draws[:DRAWS].reshape(_TRIES, 4).tolist():
        pixels = width * height * (area + (1 - area) * share)
        ratio = math.exp(low + (high - low) * shape)
        part_width, part_height = math.sqrt(pixels * ratio), math.sqrt(pixels / ratio)
        if part_width <= width and part_height <= height:
            left, upper = across * (width - part_width), down * (height - part_height)
            # The last bit of a sum may be beyond the edge.
            return left, upper, min(left + part_width, width), min(upper + part_height, height)
    part_width, part_height = min(width, height * _RATIOS[1]), min(height, width / _RATIOS[0])
    left, upper = (width - part_width) / 2, (height - part_height) / 2
    return left, upper, min(left + part_width, width), min(upper + part_height, height)
