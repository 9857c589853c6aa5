"""Schedules for accelerators."""

from __future__ import annotations

from collections.abc import Sequence

from wpconvert.api.paths import PathLike, optional_path
from wpconvert.api.stored import Files, Model
from wpconvert.files import check_distinct
from wpconvert.job.schedule import Digits, schedule_file
from wpconvert.report.schedule import Schedule


def schedule(
    model: Model,
    *,
    arch: str,
    effective_bits: int = 2,
    layers: Sequence[int] | None = None,
    compatible: bool = False,
    output: PathLike | None = None,
) -> Schedule:
    """Schedule a model on an FPGA accelerator whose weights are sums of signed digits (MSD, FCCM 2023): tiles and the
    split between look-up tables and DSP blocks of each layer, and the time of an inference, modelled.

    model: a `.tflite` or `.onnx` model, path or bytes, or the path of a table of layers, `.csv`: name, input height and
    width, filter height and width, channels, filters, stride. arch: `ultra96`, `zcu102`, `xc7z020`, or the path of an
    INI file. effective_bits: signed digits of a weight, 1 to 4; four make up every int8 weight. layers: instead, one
    number for each layer with weights, in their order. compatible: of a table, as the published scheduler does it.
    output: a `.csv` for the schedule, a line a layer in the published form.

    Raises UsageError for wrong options or a wrong table, UnsupportedError for a layer that does not fit the device,
    ModelError and FileError.
    """
    with Files() as files:
        file = files.model(model)
        place = optional_path(output)
        check_distinct([file.path, *([] if place is None else [place])])
        return schedule_file(
            file.path,
            architecture=arch,
            digits=Digits(of_all=effective_bits, of_layers=layers),
            compatible=compatible,
            output=place,
        )
