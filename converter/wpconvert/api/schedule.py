"""Schedules for accelerators."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wpconvert.api.paths import PathLike, optional_path
from wpconvert.api.stored import Files, Model, Samples
from wpconvert.errors import UsageError
from wpconvert.files import check_distinct
from wpconvert.job.progress import Stages, silent
from wpconvert.job.sampling import Sampling
from wpconvert.job.schedule import Digits, Speed, schedule_file
from wpconvert.report.schedule import Schedule


def schedule(
    model: Model,
    *,
    arch: str,
    effective_bits: int = 2,
    layers: Sequence[int] | None = None,
    speedup: float | None = None,
    inputs: Samples | None = None,
    rules: PathLike | None = None,
    compatible: bool = False,
    output: PathLike | None = None,
    progress: Stages = silent,
) -> Schedule:
    """Schedule a model on an FPGA accelerator whose weights are sums of signed digits (MSD, FCCM 2023): tiles and the
    split between look-up tables and DSP blocks of each layer, and the time of an inference, modelled.

    model: a `.tflite` or `.onnx` model, path or bytes, or the path of a table of layers, `.csv`: name, input height and
    width, filter height and width, channels, filters, stride. arch: `ultra96`, `zcu102`, `xc7z020`, or the path of an
    INI file. effective_bits: signed digits of a weight, 1 to 4; four make up every int8 weight. layers: instead, one
    number for each layer with weights, in their order. speedup: instead, how much faster than its DSP blocks alone the
    accelerator is to be, with the digits that lose least: of a `.tflite` model by the noise that they make in the
    weights of each layer, or with `inputs` in the outputs of the model; of a table in the published order. inputs:
    samples as `verify` takes them, of which the first 64 count. rules: a file for these digits, as rules of method
    `msd`. compatible: of a table, as the published scheduler does it. output: a `.csv` for the schedule, a line a layer
    in the published form. progress: see `convert`.

    Raises UsageError for wrong options or a wrong table, UnsupportedError for a layer that does not fit the device,
    BudgetError for a speed-up that cannot be reached, ModelError and FileError.
    """
    if speedup is None and (inputs is not None or rules is not None):
        raise UsageError("--inputs and --rules need --speedup")
    if speedup is not None and (layers is not None or not speedup > 0):
        raise UsageError(f"--speedup {speedup:g}, expected a number above 0, and no --layers")
    with Files() as files:
        file = files.model(model)
        samples, places = files.samples(inputs, "inputs"), [optional_path(rules), optional_path(output)]
        # The name of a device is no file that could be overwritten.
        check_distinct([path for path in (file.path, Path(arch), samples, *places) if path is not None])
        digits: Digits | Speed = Digits(of_all=effective_bits, of_layers=layers)
        if speedup is not None:
            digits = Speed(speedup=speedup, sampling=Sampling(inputs=samples), rules=places[0])
        return schedule_file(
            file.path,
            architecture=arch,
            digits=digits,
            compatible=compatible,
            output=places[1],
            stages=progress,
        )
