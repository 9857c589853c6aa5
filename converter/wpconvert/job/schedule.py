"""A model or a table of layers on an accelerator whose weights are sums of signed digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wpconvert.accelerator.architecture import Architecture, architecture_named
from wpconvert.accelerator.rows import csv_of
from wpconvert.accelerator.search import DIGITS, Tiled, dsp_alone, every_tile, published_tiles, schedule_layers
from wpconvert.accelerator.table import read_table
from wpconvert.engines.inputs import ports_of
from wpconvert.errors import UsageError
from wpconvert.files import Content, write_all
from wpconvert.formats.protocol import Source
from wpconvert.formats.registry import read
from wpconvert.job.digits import (
    MOST_SAMPLES,
    Times,
    errors_of,
    in_published_order,
    rules_of,
    with_every_count,
    with_least_error,
)
from wpconvert.job.progress import Stages, silent
from wpconvert.job.sampling import Sampling
from wpconvert.model.convolution import Convolution
from wpconvert.report.schedule import Schedule, ScheduledLayer

_TABLE = ".csv"


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Signed digits of weights: of all layers, or of each in their order."""

    of_all: int = 2
    of_layers: Sequence[int] | None = None

    def for_layers(self, count: int) -> list[int]:
        """One number a layer. UsageError for another number of layers, or of digits."""
        found = [self.of_all] * count if self.of_layers is None else list(self.of_layers)
        if len(found) != count:
            raise UsageError(f"--layers: {len(found)} numbers, the model has {count} layers with weights")
        for digits in found:
            if digits not in DIGITS:
                raise UsageError(f"{digits} effective bits: expected one of {', '.join(map(str, DIGITS))}")
        return found


@dataclass(frozen=True, kw_only=True)
class Speed:
    """A speed-up to reach against the DSP blocks alone, with the digits that lose least.

    sampling: of samples that say what the digits of a layer cost; without any its weights do. rules: where the digits
    are written as rules for method msd.
    """

    speedup: float
    sampling: Sampling
    rules: Path | None = None


def schedule_file(
    path: Path,
    *,
    architecture: str,
    digits: Digits | Speed,
    compatible: bool = False,
    output: Path | None = None,
    stages: Stages = silent,
) -> Schedule:
    """Choose the tiles of each layer, and write them as CSV.

    compatible: tables, tiles and their order as of the published scheduler. Raises UsageError for wrong options or a
    wrong table, UnsupportedError for a layer that does not fit, BudgetError for a speed-up that cannot be reached,
    FileError, and what reading a model raises.
    """
    device = architecture_named(architecture)
    if output is not None and output.suffix != _TABLE:
        raise UsageError(f"-o {output}: the suffix must be {_TABLE}")
    table = path.suffix.lower() == _TABLE
    if compatible and not table:
        raise UsageError("--compatible is only for tables: a model says how its images are padded")
    source = None if table else read(path)
    layers = read_table(path, compatible=compatible) if source is None else source.convolutions()
    if not layers:
        raise UsageError(f"{path}: no layers with weights; there is nothing to schedule")
    grid = published_tiles if compatible else every_tile
    files: dict[Path, Content] = {}
    baseline: int | None
    if isinstance(digits, Digits):
        rows = schedule_layers(layers, device, digits.for_layers(len(layers)), grid)
        # The published scheduler compares with nothing of its own.
        baseline = None if compatible else _alone(layers, device)
    else:
        every, baseline = with_every_count(layers, device, grid), _alone(layers, device)
        times = Times([[tiled.cycles for tiled in row] for row in every], baseline)
        chosen = _fast_enough(source, layers, times, digits, stages)
        rows = [row[count - 1] for row, count in zip(every, chosen, strict=True)]
        if digits.rules is not None:
            files[digits.rules] = rules_of(layers, chosen).encode()
    if output is not None:
        files[output] = csv_of(rows, compatible)
    if files:
        write_all(files)
    return Schedule(
        model=str(path),
        architecture=device.name,
        mhz=device.mhz,
        layers=tuple(map(_reported, rows)),
        milliseconds=device.milliseconds(sum(row.cycles for row in rows)),
        baseline=baseline,
        notes=_notes(layers, table, compatible),
        written=tuple(map(str, files)),
    )


def _alone(layers: Sequence[Convolution], device: Architecture) -> int:
    """Cycles of the DSP blocks alone, to which digits make no difference."""
    return sum(row.cycles for row in schedule_layers(layers, device, [DIGITS[0]] * len(layers), dsp_alone))


def _fast_enough(
    source: Source | None, layers: Sequence[Convolution], times: Times, asked: Speed, stages: Stages
) -> list[int]:
    """Digits of each layer with which the model is so fast: of a table in the published order."""
    if source is None:
        if asked.rules is not None or not asked.sampling.is_default:
            raise UsageError("a table has no weights; --rules and --inputs need a model")
        return in_published_order(times, asked.speedup)
    samples = (
        [] if asked.sampling.is_default else asked.sampling.read(ports_of(source.executable())).samples[:MOST_SAMPLES]
    )
    with stages("measure", len(layers)) as stage:
        errors = errors_of(source, layers, samples, stage)
    return with_least_error(times, errors, [layer.weight for layer in layers], asked.speedup)


def _reported(row: Tiled) -> ScheduledLayer:
    return ScheduledLayer(
        name=row.layer.name,
        digits=row.digits,
        macs=row.layer.macs,
        cycles=row.cycles,
        tile=(row.filters, row.channels, row.height, row.width),
        tiles=row.tiles,
        lut_filters=row.lut_filters,
        bound="compute" if row.compute_bound else "memory",
        buffers=max(words.used / words.depth for words in row.buffers),
    )


def _notes(layers: Sequence[Convolution], table: bool, compatible: bool) -> tuple[str, ...]:
    if compatible:
        return (
            "compatible with the published scheduler: images are not padded, a first layer with one channel is "
            "depthwise, and not all tiles are tried",
        )
    depthwise = [layer.name for layer in layers if layer.depthwise]
    if table and depthwise:
        return (f"taken as depthwise, because they have one channel: {', '.join(depthwise)}",)
    return ()
