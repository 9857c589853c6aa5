"""MNIST and Fashion-MNIST as published: four idx files, plain or compressed by gzip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import FileError
from wptrain.errors import DataError

from .. import splits
from ..augmentation import Augmentation
from ..memory import Images, Split
from ..module import Provenance
from ..readers.idx import read_idx

SIDE = 28
DIGITS = tuple(str(digit) for digit in range(10))
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_SUFFIXES = ("-idx{rank}-ubyte", ".idx{rank}-ubyte", "-idx{rank}-ubyte.gz", ".idx{rank}-ubyte.gz")


def load(path: Path) -> Images:
    """The 60,000 training images of MNIST, one in ten of them held out for validation, and the 10,000 test images.

    Raises FileError when there is no such folder, DataError when a file is missing or malformed.
    """
    return _load(
        path,
        Provenance(
            name="MNIST",
            origin="Y. LeCun, C. Cortes and C. Burges, The MNIST Database of Handwritten Digits, 1998",
            licence="CC BY-SA 3.0",
            split_rule=f"test images as published; validation: {splits.RULE} of the training images",
        ),
        DIGITS,
        # A mirrored digit is none.
        Augmentation(shift=2),
        "MNIST",
    )


def load_fashion(path: Path) -> Images:
    """The same of Fashion-MNIST."""
    return _load(
        path,
        Provenance(
            name="Fashion-MNIST",
            origin="H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST, Zalando Research, 2017, arXiv 1708.07747",
            licence="MIT",
            split_rule=f"test images as published; validation: {splits.RULE} of the training images",
        ),
        FASHION,
        Augmentation(shift=2, mirror=True),
        "FashionMNIST",
    )


def _load(
    path: Path, provenance: Provenance, classes: tuple[str, ...], augmentation: Augmentation, below: str
) -> Images:
    """`below`: the folder into which torchvision downloads this dataset; it may have both in one place."""
    if not path.is_dir():
        raise FileError(f"{path}: no such folder; expected one with the four idx files of {provenance.name}")
    folder = next((place for place in (path / below / "raw", path / "raw") if place.is_dir()), path)
    images, labels = _labelled(folder, "train")
    kept, held = splits.hold_out(labels, str(path))
    return Images(
        provenance,
        classes,
        train=Split(images[kept], labels[kept]),
        validation=Split(images[held], labels[held]),
        test=Split(*_labelled(folder, "t10k")),
        augmentation=augmentation,
    )


def _labelled(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images_file, labels_file = _find(folder, f"{part}-images", 3), _find(folder, f"{part}-labels", 1)
    images, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
    if images.shape[1:] != (SIDE, SIDE):
        raise DataError(f"{images_file}: images of {images.shape[1]} x {images.shape[2]} pixels, expected 28 x 28")
    if len(images) != len(labels) or not len(images):
        raise DataError(f"{labels_file}: {len(labels)} labels for the {len(images)} images of {images_file.name}")
    if labels.max() >= len(DIGITS):
        at = int(np.argmax(labels >= len(DIGITS)))
        raise DataError(f"{labels_file}: label {at} is {labels[at]}, expected 0 to 9")
    return images[..., np.newaxis], labels.astype(np.int64)


def _find(folder: Path, name: str, rank: int) -> Path:
    for suffix in _SUFFIXES:
        file = folder / f"{name}{suffix.format(rank=rank)}"
        if file.is_file():
            return file
    raise DataError(f"{folder}: found no {name}-idx{rank}-ubyte, plain or with .gz; download the four files again")
