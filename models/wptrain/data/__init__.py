"""Dataset loaders, one file per dataset, with splits that never change; `load` finds them by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wpconvert.errors import FileError, UsageError

from . import cifar10, digits, images, quickdraw
from .dataset import Dataset

BUILT_IN: dict[str, Callable[[], Dataset]] = {"digits": digits.load}
AT_PATH: dict[str, Callable[[Path], Dataset]] = {
    "cifar10": cifar10.load,
    "images": images.load,
    "quickdraw": quickdraw.load,
}
CHOICES = (*BUILT_IN, *(f"{name}:PATH" for name in AT_PATH))


def load(choice: str) -> Dataset:
    """The dataset named `digits`, `cifar10:PATH`, `images:PATH` or `quickdraw:PATH`.

    Raises UsageError for another name, FileError when the files cannot be read, DataError when they are malformed.
    """
    name, colon, path = choice.partition(":")
    if name in BUILT_IN and not colon:
        return BUILT_IN[name]()
    if name not in AT_PATH or not path:
        raise UsageError(f"dataset {choice!r}: expected one of {', '.join(CHOICES)}")
    try:
        return AT_PATH[name](Path(path))
    except OSError as error:
        raise FileError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error
