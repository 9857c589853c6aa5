"""From an `.onnx` file to a `.tflite` one."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.files import staging
from wpconvert.formats.onnx.compressed import is_rewritten
from wpconvert.formats.onnx.data import load
from wpconvert.formats.onnx.file import OnnxModel, read
from wpconvert.formats.onnx.files import Target, write
from wpconvert.formats.onnx.restore import restore
from wpconvert.formats.onnx.tensors import EXTERNAL, RAW, data_of, form_of, set_data
from wpconvert.formats.onnx.validity import invalidity
from wpconvert.formats.onnx_graphs import every_tensor
from wpconvert.lowering import Lowered, calibrate, lower


def lowered(source: OnnxModel, samples: Path | None) -> Lowered:
    """An int8 `.tflite` model of an `.onnx` one; with `samples`, an `.npz` file, a float model is quantised first.

    Raises what `restore`, `lower` and `calibrate` raise.
    """
    with staging(None) as folder:
        dense = source
        if is_rewritten(source):
            target = Target.next_to(folder / source.path.name)
            restore(source.copy(), target)
            dense = read(target.model)
        try:
            return _lowered(loaded(dense), source.path, samples, folder)
        except UnsupportedError as error:
            problem = invalidity(dense.path)
            if problem is not None:
                raise ModelError(f"{error}; in addition, {problem}") from error
            raise


def _lowered(proto: ModelProto, source: Path, samples: Path | None, folder: Path) -> Lowered:
    if samples is not None:
        # The quantiser does not find external data.
        whole = folder / "whole.onnx"
        write(proto, whole)
        try:
            proto = calibrate(whole, samples)
        except UnsupportedError as error:
            raise UnsupportedError(str(error).replace(str(whole), str(source))) from error
    return lower(proto, str(source))


def loaded(given: OnnxModel) -> ModelProto:
    """A copy of the model with all its data inside."""
    model = given.copy()
    for tensor in every_tensor(model.proto):
        if form_of(tensor) == EXTERNAL and (data := data_of(tensor, model.files)) is not None:
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
            set_data(tensor, RAW, load(data))
    return model.proto
