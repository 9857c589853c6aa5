"""Counting what an inference takes on a board."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wpconvert.benchmark.measure import NO_ERROR_TEXTS, benchmark
from wpconvert.benchmark.result import Benchmark
from wpconvert.engines.inputs import ports_of
from wpconvert.formats.registry import read
from wpconvert.job.progress import Stages, silent
from wpconvert.job.sampling import Sampling
from wpconvert.job.verify import compared
from wpconvert.target.board import board_named


def bench_files(
    paths: Sequence[Path],
    target: str,
    *,
    inputs: Path | None = None,
    seed: int = 0,
    error_texts: bool = True,
    timeout_s: float,
    stages: Stages = silent,
) -> list[Benchmark]:
    """One inference of each model, of the first sample of `inputs` or a random one.

    The models have the same inputs and outputs. error_texts: whether the image has the texts of errors. Raises
    UsageError, ToolError where a compiler or simulator is missing, DeviceError, and what reading the models raises.
    """
    board = board_named(target)
    defines = () if error_texts else (NO_ERROR_TEXTS,)
    sources = [read(path) for path in paths]
    models = [source.executable() for source in sources]
    compared(sources[-1], sources[0]).check()
    sampling = Sampling(inputs=inputs, count=None if inputs else 1, seed=seed)
    results = []
    with stages("bench", len(models)) as stage:
        for source, model in zip(sources, models, strict=True):
            sample = sampling.read(ports_of(model)).samples[0]
            results.append(
                benchmark(
                    str(source.path), source.content(), model, board, sample, timeout_s=timeout_s, defines=defines
                )
            )
            stage.advance()
    return results
