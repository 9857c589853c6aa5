"""Random changes to training images that keep their class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .draws import Key, uniform


@dataclass(frozen=True)
class Augmentation:
    """How far an image keeps its class: moved by up to `shift` pixels, and mirrored left to right where `mirror`."""

    shift: int = 0
    mirror: bool = False

    def apply(self, images: NDArray[np.uint8], indices: NDArray[np.int64], key: Key) -> NDArray[np.uint8]:
        """Images [n, height, width, channels], the samples `indices`, each changed in its own way; what comes in is 0.

        All offsets are equally likely, and each image is mirrored with probability one half.
        """
        draws = uniform(key, indices, 3)
        offsets = (draws[:, :2] * (2 * self.shift + 1)).astype(np.int64).tolist()
        mirrored = (self.mirror & (draws[:, 2] < 0.5)).tolist()
        height, width = images.shape[1:3]
        margin = (self.shift, self.shift)
        padded = np.pad(images, ((0, 0), margin, margin, (0, 0)))
        changed = np.empty_like(images)
        # A loop, because indexing every pixel takes ten times as long.
        for index, ((row, column), mirror) in enumerate(zip(offsets, mirrored, strict=True)):
            window = padded[index, row : row + height, column : column + width]
            changed[index] = window[:, ::-1] if mirror else window
        return changed
