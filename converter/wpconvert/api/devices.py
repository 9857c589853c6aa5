"""Simulated boards: run a model on one, and count what an inference takes."""

from __future__ import annotations

from dataclasses import replace
from typing import overload

from wpconvert.api.paths import PathLike, optional_path
from wpconvert.api.stored import Files, Model, Samples
from wpconvert.benchmark.result import Benchmark, Comparison
from wpconvert.job.bench import bench_files
from wpconvert.job.progress import Stages, silent
from wpconvert.job.run import Place, run_file
from wpconvert.target.result import TargetReport
from wpconvert.target.runner import DEFAULT_TIMEOUT_S


def run(
    model: Model,
    *,
    target: str,
    inputs: Samples | None = None,
    random: int | None = None,
    seed: int = 0,
    output: PathLike | None = None,
    arena: int | None = None,
    simulator: str = "qemu",
    timeout: float = DEFAULT_TIMEOUT_S,
    progress: Stages = silent,
) -> TargetReport:
    """Run a `.tflite` model on a simulated board and compare its outputs, bit by bit, with the reference interpreter's.

    target: the board, `corstone300`, `mps2-m4` or `mps2-m3`. inputs: arrays by the names of the model's inputs, samples
    first, or the path of an .npz with them; an array `labels`, int[samples], adds accuracy. Without them `random`
    samples of `seed` are drawn, 4 by default. output: an .npz for the outputs. arena: bytes, the most that the board
    has by default. timeout: seconds the simulation may take. progress: see `convert`. The result's `identical` is the
    verdict.

    Raises UsageError for wrong options or samples, FileError, ModelError, UnsupportedError for an operator that the
    runtime lacks, ToolError where a compiler or simulator is missing, and DeviceError where the program fails.
    """
    with Files() as files:
        file = files.model(model)
        report = run_file(
            file.path,
            Place(target=target, simulator=simulator, timeout_s=timeout, arena_nbytes=arena),
            sampling=files.sampling(inputs, None, random, seed),
            output=optional_path(output),
            stages=progress,
        )
    return replace(report, model=file.name)


@overload
def bench(
    model: Model,
    *,
    target: str,
    against: None = None,
    inputs: Samples | None = None,
    seed: int = 0,
    error_texts: bool = True,
    timeout: float = DEFAULT_TIMEOUT_S,
    progress: Stages = silent,
) -> Benchmark: ...


@overload
def bench(
    model: Model,
    *,
    target: str,
    against: Model,
    inputs: Samples | None = None,
    seed: int = 0,
    error_texts: bool = True,
    timeout: float = DEFAULT_TIMEOUT_S,
    progress: Stages = silent,
) -> Comparison: ...


def bench(
    model: Model,
    *,
    target: str,
    against: Model | None = None,
    inputs: Samples | None = None,
    seed: int = 0,
    error_texts: bool = True,
    timeout: float = DEFAULT_TIMEOUT_S,
    progress: Stages = silent,
) -> Benchmark | Comparison:
    """Count the instructions of one inference of a `.tflite` model on a simulated board, by layer; arena and flash.

    Instructions are measured, exactly; cycles are modelled. The input is the first sample of `inputs`, or a random one
    of `seed`. against: a second model, measured beside it; the result is then a `Comparison` of both. error_texts:
    whether the image has the texts of errors. Other parameters and errors are those of `run`.
    Raises what `run` raises.
    """
    with Files() as files:
        models = [files.model(one) for one in (model, against) if one is not None]
        found = bench_files(
            [file.path for file in models],
            target,
            inputs=files.samples(inputs, "inputs"),
            seed=seed,
            error_texts=error_texts,
            timeout_s=timeout,
            stages=progress,
        )
    first, *others = (replace(result, path=file.name) for result, file in zip(found, models, strict=True))
    return Comparison(first, others[0]) if others else first
