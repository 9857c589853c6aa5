"""Models and samples in memory as the files that jobs read, and what jobs say of them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from wpconvert.api.paths import PathLike
from wpconvert.errors import UsageError, WpconvertError
from wpconvert.files import staging
from wpconvert.formats.registry import suffix_of
from wpconvert.job.sampling import Sampling

Model = PathLike | bytes | bytearray | memoryview
"""The path of a .tflite or .onnx file, or its bytes."""
Samples = PathLike | Mapping[str, NDArray[Any]]
"""Arrays by the names of a model's inputs, samples first, and `labels`; or the path of an .npz file with them."""


@dataclass(frozen=True)
class Stored:
    """A file. name: how results call it: its path, or what it would be called where it was in memory."""

    path: Path
    name: str


def is_path(value: object) -> TypeGuard[PathLike]:
    """Whether a model or samples are given by their path."""
    return isinstance(value, str | os.PathLike)


class Files:
    """Makes files of what is in memory. They are there in its context, and errors in it name them as results do."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._made: list[Stored] = []

    def __enter__(self) -> Files:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, WpconvertError):
            message = str(error)
            for one in self._made:
                # Data that a model names in other files is looked for in the folder.
                message = message.replace(f"{one.path.parent}{os.sep}", "")
            error.args = (message, *error.args[1:])
        self._stack.__exit__(kind, error, at)

    def model(self, model: Model) -> Stored:
        """The file of a model."""
        if isinstance(model, str | os.PathLike):
            return Stored(Path(model), str(model))
        if not isinstance(model, bytes | bytearray | memoryview):
            raise UsageError(f"expected the path or the bytes of a model, found {type(model).__name__}")
        data = bytes(model)
        made = self._place(f"model{suffix_of(data)}")
        made.path.write_bytes(data)
        return made

    def samples(self, samples: Samples | None, name: str) -> Path | None:
        """The file of samples, if any; UsageError for what are no arrays of numbers. name: of the parameter."""
        if samples is None or isinstance(samples, str | os.PathLike):
            return None if samples is None else Path(samples)
        if not isinstance(samples, Mapping):
            found = type(samples).__name__
            raise UsageError(f"{name}: expected arrays by the names of the model's inputs, or a path, found {found}")
        path = self._place(f"{name}.npz").path
        # Names that numpy.savez has parameters of are names of inputs as well.
        with zipfile.ZipFile(path, "w") as archive:
            for array_name, array in samples.items():
                with archive.open(f"{array_name}.npy", "w", force_zip64=True) as file:
                    try:
                        np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
                    except ValueError as error:
                        raise UsageError(f"{name}: array {array_name!r} is not an array of numbers") from error
        return path

    def sampling(self, inputs: Samples | None, evaluation: Samples | None, random: int | None, seed: int) -> Sampling:
        """What models run on, of the parameters of these names."""
        given, labelled = self.samples(inputs, "inputs"), self.samples(evaluation, "evaluation")
        return Sampling(inputs=given, evaluation=labelled, count=random, seed=seed)

    def _place(self, name: str) -> Stored:
        self._made.append(Stored(self._stack.enter_context(staging(None)) / name, name))
        return self._made[-1]
