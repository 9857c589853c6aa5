"""Images that fit into memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .augmentation import Augmentation
from .draws import Key
from .module import SPLITS, Batch, Provenance, SplitName


@dataclass(frozen=True)
class Split:
    """Labelled images: `images` uint8 [n, height, width, channels] in 0…`pixel_max`, `labels` int64 [n].

    Bytes, because a training set in floats would take four times the memory.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    pixel_max: int = 255

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Images:
    """A `DataModule` of images in memory; samples are pixels as parts of `pixel_max`, in [0, 1]."""

    provenance: Provenance
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    augmentation: Augmentation

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    def padded(self, margin: int) -> Images:
        """The same images with `margin` zeros on each side."""
        width = ((0, 0), (margin, margin), (margin, margin), (0, 0))
        train, validation, test = (replace(split, images=np.pad(split.images, width)) for split in self.splits)
        return replace(self, train=train, validation=validation, test=test)

    @property
    def splits(self) -> tuple[Split, ...]:
        """In the order of SPLITS."""
        return self.train, self.validation, self.test

    def split(self, name: SplitName) -> Split:
        return self.splits[SPLITS.index(name)]

    def labels(self, split: SplitName) -> NDArray[np.int64]:
        return self.split(split).labels

    def batch(self, split: SplitName, indices: NDArray[np.int64], key: Key | None = None) -> Batch:
        held = self.split(split)
        images = held.images[indices]
        if key is not None:
            images = self.augmentation.apply(images, indices, key)
        return Batch(images.astype(np.float32) / np.float32(held.pixel_max), held.labels[indices])

    def calibration(self, count: int) -> NDArray[np.float32]:
        """The first images: loaders mix the classes when they hold out."""
        return self.batch("train", np.arange(min(count, len(self.train)))).samples

    def identity(self) -> str:
        digest = hashlib.sha256(repr((self.classes, self.augmentation)).encode())
        for split in self.splits:
            digest.update(repr((split.images.shape, split.pixel_max)).encode())
            digest.update(np.ascontiguousarray(split.images).data)
            digest.update(split.labels.astype("<i8").tobytes())
        return digest.hexdigest()
