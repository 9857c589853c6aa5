"""What every dataset loader returns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ALL = slice(None)


@dataclass(frozen=True)
class Split:
    """Labelled images: `images` uint8 [n, height, width, channels] in 0…`pixel_max`, `labels` int64 [n].

    Bytes, because a training set in floats would take four times the memory; `real` makes floats of a batch.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    pixel_max: int = 255

    def __len__(self) -> int:
        return len(self.labels)

    def real(self, index: slice | NDArray[np.int64] = _ALL) -> NDArray[np.float32]:
        """The images at `index`, all by default, as float32 in [0, 1]."""
        return self.images[index].astype(np.float32) / np.float32(self.pixel_max)


@dataclass(frozen=True)
class Dataset:
    """Three disjoint splits and where they come from; label i means `classes[i]`.

    `train` fits weights and calibrates the quantisation, `validation` chooses among epochs and settings,
    `test` is measured once, for the card. A training image keeps its class when it is moved by up to `shift` pixels
    and, where `flip` says so, when it is mirrored.
    """

    name: str
    origin: str
    licence: str
    split_rule: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    shift: int
    flip: bool

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    def content(self) -> str:
        """SHA-256 in hex of all that training reads: classes, images and labels, and how far images may move."""
        digest = hashlib.sha256(repr((self.classes, self.shift)).encode())
        for split in (self.train, self.validation, self.test):
            digest.update(repr((split.images.shape, split.pixel_max)).encode())
            digest.update(np.ascontiguousarray(split.images).data)
            digest.update(split.labels.astype("<i8").tobytes())
        return digest.hexdigest()
