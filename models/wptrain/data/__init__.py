"""Datasets, one file each, with splits that never change; `load` finds them by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wpconvert.errors import FileError, UsageError

from . import options
from .module import DataModule
from .sets import cifar10, digits, folders, images, mnist, quickdraw, speech_commands

BUILT_IN: dict[str, options.Opener] = {"digits": options.images(lambda _: digits.load())}
AT_PATH: dict[str, options.Opener] = {
    "cifar10": options.images(cifar10.load),
    "fashion-mnist": options.images(mnist.load_fashion),
    "folders": options.source(folders.FolderOptions, folders.load),
    "images": options.images(images.load),
    "mnist": options.images(mnist.load),
    "quickdraw": options.images(quickdraw.load),
    "speech-commands": options.source(speech_commands.SpeechOptions, speech_commands.load),
}
CHOICES = (*BUILT_IN, *(f"{name}:PATH" for name in AT_PATH))


def load(choice: str, given: Mapping[str, object] | None = None) -> DataModule:
    """The dataset `digits`, or `NAME:PATH` for a name in AT_PATH; `given`: its options, texts or values.

    Raises UsageError for another name or wrong options, FileError when the files cannot be read, DataError when they
    are malformed.
    """
    name, colon, path = choice.partition(":")
    if name in BUILT_IN and not colon:
        return BUILT_IN[name](Path(), given or {}, choice)
    if name not in AT_PATH or not path:
        raise UsageError(f"dataset {choice!r}: expected one of {', '.join(CHOICES)}")
    try:
        return AT_PATH[name](Path(path), given or {}, choice)
    except OSError as error:
        raise FileError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error
