"""Model files: verify, restore, inspect and lower."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wpconvert.api.paths import PathLike
from wpconvert.api.results import LoweredModel, RestoredModel
from wpconvert.api.stored import Files, Model, Samples
from wpconvert.errors import UsageError
from wpconvert.files import staging
from wpconvert.job.inspect import inspect_file
from wpconvert.job.lower import lower_file
from wpconvert.job.progress import Stages, silent
from wpconvert.job.restore import restore_file
from wpconvert.job.verify import verify_files
from wpconvert.report.inspection import Inspection
from wpconvert.report.result import Verification


def verify(
    original: Model,
    rewritten: Model,
    *,
    inputs: Samples | None = None,
    evaluation: Samples | None = None,
    random: int | None = None,
    seed: int = 0,
    engine: str | None = None,
    progress: Stages = silent,
) -> Verification:
    """Run two models on the same inputs; compare all weights, outputs and intermediate results bit by bit.

    original, rewritten: paths or bytes. Other parameters are those of `convert`. The result's `passed` is the verdict;
    models that compute something else raise nothing.

    Raises UsageError for models without the same inputs and outputs or samples that do not fit, ModelError,
    UnsupportedError and FileError.
    """
    with Files() as files:
        first, second = files.model(original), files.model(rewritten)
        sampling = files.sampling(inputs, evaluation, random, seed)
        return verify_files(first.path, second.path, sampling=sampling, engine=engine, stages=progress)


def restore(model: Model, *, output: PathLike | None = None) -> RestoredModel:
    """The dense model of a rewritten one: weights, shapes, types and quantisation as they were.

    model: path or bytes. output: where it is written; without it the result's `data` has the bytes. The
    result's `report.losses` says what could not be given back.

    Raises UsageError for an output that the model is read from, ModelError, UnsupportedError and FileError.
    """
    with Files() as files:
        file = files.model(model)
        if output is not None:
            return RestoredModel(None, Path(output), restore_file(file.path, Path(output)))
        with staging(None) as folder:
            place = folder / file.path.name
            done = restore_file(file.path, place)
            if len(done.files) > 1:
                raise UsageError(f"{file.name}: the dense model has data in another file; name an output")
            return RestoredModel(place.read_bytes(), None, replace(done, files=()))


def inspect(model: Model, *, progress: Stages = silent) -> Inspection:
    """What there is to know of a model: operators, weights, entropy, the bytes of each method, what was rewritten.

    model: path or bytes of any .tflite or .onnx file. progress: see `convert`.

    Raises ModelError, UnsupportedError and FileError.
    """
    with Files() as files:
        file = files.model(model)
        return replace(inspect_file(file.path, stages=progress), path=file.name)


def lower(model: Model, *, calibration: Samples | None = None, output: PathLike | None = None) -> LoweredModel:
    """Lower an .onnx model to a .tflite one of int8 operators, with plain weights (docs/LOWERING.md).

    model: path or bytes. calibration: float32 samples, arrays or the path of an .npz, with which a float model is
    quantised; a model that is quantised needs none. output: where the .tflite is written; without it the result's
    `data` has the bytes. `convert(model, output="x.tflite")` lowers and compresses at once, and compares the result
    with the model.

    Raises UnsupportedError for what cannot be lowered, UsageError for samples that do not fit or an output with the
    suffix of another format, ModelError and FileError.
    """
    with Files() as files:
        file, samples = files.model(model), files.samples(calibration, "calibration")
        if output is not None:
            return LoweredModel(None, Path(output), file.name, lower_file(file.path, Path(output), samples))
        with staging(None) as folder:
            place = folder / "lowered.tflite"
            nbytes = lower_file(file.path, place, samples)
            return LoweredModel(place.read_bytes(), None, file.name, nbytes)
