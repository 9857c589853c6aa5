"""Lowering a model to another format, with plain weights."""

from __future__ import annotations

from pathlib import Path

from wpconvert.errors import UsageError
from wpconvert.files import Workspace, same_file, size_of, write_all
from wpconvert.formats.registry import FORMATS, format_of, read


def lower_file(path: Path, output: Path, calibration: Path | None) -> int:
    """Write to `output` the model that a file becomes where its operators are lowered; returns its bytes.

    calibration: samples that give the ranges of a float model's activations, one array per input. Raises FileError,
    ModelError, UsageError for samples that do not fit or an output that is an input, and UnsupportedError for what
    cannot be lowered.
    """
    if any(same_file(output, other) for other in (path, *([] if calibration is None else [calibration]))):
        raise UsageError(f"{output} is an input; give another file")
    own, suffix = format_of(path), output.suffix.lower()
    if own.lowers_to and suffix != own.lowers_to[0] and any(suffix == other.suffix for other in FORMATS):
        raise UsageError(f"{output}: a lowered model is a {own.lowers_to[0]} file")
    lowered = read(path).lower(calibration).source
    with Workspace(output.resolve()) as workspace:
        files = lowered.restore(output, workspace).files
        nbytes = sum(map(size_of, files.values()))
        write_all(files)
    return nbytes
