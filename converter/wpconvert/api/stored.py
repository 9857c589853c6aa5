"""Models in memory as the files that jobs read, and what jobs say of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from wpconvert.api.paths import PathLike
from wpconvert.errors import WpconvertError
from wpconvert.files import staging
from wpconvert.formats.registry import suffix_of

Model = PathLike | bytes | bytearray | memoryview
"""The path of a .tflite or .onnx file, or its bytes."""


@dataclass(frozen=True)
class Stored:
    """A model's file. name: how results call it: its path, or `model.tflite` where it was bytes."""

    path: Path
    name: str


def is_path(model: Model) -> TypeGuard[PathLike]:
    """Whether a model is given by its path."""
    return isinstance(model, str | os.PathLike)


@contextmanager
def stored(*models: Model) -> Iterator[list[Stored]]:
    """The files of models; those of bytes are temporary, and errors name them as results do."""
    with ExitStack() as stack:
        found = [_stored(model, stack) for model in models]
        try:
            yield found
        except WpconvertError as error:
            message = str(error)
            for one in found:
                message = message.replace(str(one.path), one.name)
            error.args = (message, *error.args[1:])
            raise


def _stored(model: Model, stack: ExitStack) -> Stored:
    if isinstance(model, str | os.PathLike):
        return Stored(Path(model), str(model))
    data = bytes(model)
    name = f"model{suffix_of(data)}"
    path = stack.enter_context(staging(None)) / name
    path.write_bytes(data)
    return Stored(path, name)
