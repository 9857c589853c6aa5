"""Google's Quick, Draw! bitmaps: one `.npy` file per class, each uint8 [n, 784]."""

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

SIDE = 28
# The published files hold 100,000 drawings and more a class; a hundred classes of them would not fit into memory.
PER_CLASS = 5000
_PREFIX = "full_numpy_bitmap_"


def load(path: Path) -> Images:
    """Up to 5,000 drawings of every class, drawn by a fixed seed; one in ten is for testing, a tenth of the rest for
    validation.

    `path` is a folder of `CLASS.npy` files; classes are in the order of their names. Raises FileError when there is no
    such folder, DataError when it holds no classes or a malformed file.
    """
    if not path.is_dir():
        raise FileError(f"{path}: no such folder; expected a folder with CLASS.npy files (Quick, Draw! bitmaps)")
    files = {file.stem.removeprefix(_PREFIX): file for file in path.glob("*.npy")}
    classes = tuple(sorted(files))
    if len(classes) < 2:
        raise DataError(f"{path}: {len(classes)} CLASS.npy files found, expected one for each of at least 2 classes")
    drawings = [_sample(files[name]) for name in classes]
    images = np.concatenate(drawings).reshape(-1, SIDE, SIDE, 1)
    labels = np.repeat(np.arange(len(classes)), [len(part) for part in drawings])
    rest, test = splits.hold_out(labels, str(path))
    kept, held = splits.hold_out(labels[rest], str(path))
    train, validation = rest[kept], rest[held]
    return Images(
        Provenance(
            name="Quick, Draw!",
            origin="The Quick, Draw! Dataset, Google, numpy bitmaps",
            licence="CC BY 4.0",
            split_rule=f"up to {PER_CLASS} drawings a class; test: {splits.RULE}; validation: the same from the rest",
        ),
        classes=classes,
        train=Split(images[train], labels[train]),
        validation=Split(images[validation], labels[validation]),
        test=Split(images[test], labels[test]),
        augmentation=Augmentation(shift=2, mirror=True),
    )


def _sample(path: Path) -> NDArray[np.uint8]:
    """At most PER_CLASS rows of a file, in the order of the file."""
    try:
        # Mapped, so that only the rows that are taken are read.
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path}: not a NumPy file: {error}") from error
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != SIDE * SIDE:
        found = f"{rows.dtype} {list(rows.shape)}" if isinstance(rows, np.ndarray) else "an archive"
        raise DataError(f"{path}: {found}, expected uint8 [n, {SIDE * SIDE}]")
    if len(rows) <= PER_CLASS:
        return np.array(rows)
    chosen = np.random.default_rng(splits.SPLIT_SEED).choice(len(rows), PER_CLASS, replace=False)
    return np.array(rows[np.sort(chosen)])
