"""CIFAR-10 as its authors publish it: pickled batches ("python version") or records of bytes ("binary version")."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import FileError
from wptrain.errors import DataError

from .. import splits
from ..augmentation import Augmentation
from ..memory import Images, Split
from ..module import Provenance
from ..readers.pickles import read_pickle, to_array

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32
CHANNELS = 3
PIXELS = CHANNELS * SIDE * SIDE
TRAIN_BATCHES = 5

Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]


def load(path: Path) -> Images:
    """The 50,000 training images, one in ten of them held out for validation, and the 10,000 test images.

    `path` is the folder of either version, or the folder that the official archive unpacks into. Raises FileError
    when there is no such folder, DataError when a file of it is missing or malformed.
    """
    folder, suffix, read = _layout(path)
    batches = [read(folder / f"data_batch_{number}{suffix}") for number in range(1, TRAIN_BATCHES + 1)]
    images = np.concatenate([images for images, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    kept, held = splits.hold_out(labels, str(folder))
    return Images(
        Provenance(
            name="CIFAR-10",
            origin="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
            licence="none stated by its authors",
            split_rule=f"test batch as published; validation: {splits.RULE} of the training batches",
        ),
        classes=CLASSES,
        train=Split(images[kept], labels[kept]),
        validation=Split(images[held], labels[held]),
        test=Split(*read(folder / f"test_batch{suffix}")),
        augmentation=Augmentation(shift=4, mirror=True),
    )


def _layout(path: Path) -> tuple[Path, str, Callable[[Path], Labelled]]:
    """Folder, suffix of the file names, and reader of one batch."""
    for folder in (path, path / "cifar-10-batches-py", path / "cifar-10-batches-bin"):
        if (folder / "data_batch_1").is_file():
            return folder, "", _read_pickled
        if (folder / "data_batch_1.bin").is_file():
            return folder, ".bin", _read_binary
    if not path.is_dir():
        raise FileError(f"{path}: no such folder; expected the unpacked CIFAR-10 archive, python or binary version")
    raise DataError(
        f"{path}: found neither data_batch_1 (python version of CIFAR-10) nor data_batch_1.bin (binary version); "
        "give the unpacked folder, or use images:PATH for images in folders"
    )


def _read_pickled(path: Path) -> Labelled:
    content = read_pickle(_present(path))
    if not isinstance(content, dict) or not {b"data", b"labels"} <= content.keys():
        raise DataError(f"{path}: expected a dictionary with 'data' and 'labels'")
    rows = to_array(content[b"data"], f"{path}: 'data'")
    labels = content[b"labels"]
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < len(CLASSES) for label in labels):
        raise DataError(f"{path}: 'labels': expected a list of numbers from 0 to {len(CLASSES) - 1}")
    if rows.shape != (len(labels), PIXELS):
        raise DataError(
            f"{path}: 'data': shape {rows.shape}, expected {(len(labels), PIXELS)} for {len(labels)} labels"
        )
    return _channels_last(rows), np.array(labels, np.int64)


def _read_binary(path: Path) -> Labelled:
    raw = np.fromfile(_present(path), np.uint8)
    record = 1 + PIXELS
    if raw.size == 0 or raw.size % record:
        raise DataError(f"{path}: {raw.size} bytes, expected records of {record} (a label and {PIXELS} pixels)")
    records = raw.reshape(-1, record)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(CLASSES):
        at = int(np.argmax(labels >= len(CLASSES)))
        raise DataError(f"{path}: record {at}: label {labels[at]}, expected 0 to {len(CLASSES) - 1}")
    return _channels_last(records[:, 1:]), labels


def _present(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path}: missing, while other batches exist; unpack the archive again")
    return path


def _channels_last(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows of three colour planes as [n, height, width, channels]."""
    return np.ascontiguousarray(rows.reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1))
