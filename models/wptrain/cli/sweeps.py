"""The commands that print the tables of a weight pool's accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from wpconvert.errors import UsageError
from wpconvert.transforms.pool import LUT_BITS

from ..recipes import sweeps
from ..recipes.pool import PoolSettings
from .options import (
    ERR,
    DataOption,
    DatasetOption,
    DeviceOption,
    EpochsOption,
    NetworkArgument,
    PrecisionOption,
    RateOption,
    SeedOption,
    ThreadsOption,
    checked_device,
    load_pair,
)

_POOL = PoolSettings()
_SIZES = [32, 64, 128]
_LUT_BITS = list(LUT_BITS)
_ACT_BITS = [8, 7, 6, 5, 4, 3, 2, 1]


def sweep_pool(
    source: NetworkArgument,
    dataset: DatasetOption = "digits",
    data: DataOption = None,
    sizes: Annotated[
        list[int], typer.Option("--pool-size", help="Number of vectors in the pool; can be given several times.")
    ] = _SIZES,
    epochs: EpochsOption = _POOL.epochs,
    learning_rate: RateOption = _POOL.learning_rate,
    precision: PrecisionOption = _POOL.precision,
    seed: SeedOption = _POOL.seed,
    threads: ThreadsOption = _POOL.threads,
    device: DeviceOption = _POOL.device,
) -> None:
    """Accuracy of a dense network by size of the pool, before and after retraining."""
    settings = _settings(epochs, learning_rate, precision, seed, threads, device)
    _show(sweeps.sweep_pool(*load_pair(source, dataset, data), settings, sizes))


def sweep_lut(
    source: NetworkArgument,
    dataset: DatasetOption = "digits",
    data: DataOption = None,
    lut_bits: Annotated[
        list[int], typer.Option("--lut-bits", help="Bits of a look-up entry; can be given several times.")
    ] = _LUT_BITS,
) -> None:
    """Accuracy of a pooled network by bits of an entry of its look-up table, not retrained."""
    wrong = [bits for bits in lut_bits if bits not in LUT_BITS]
    if wrong:
        raise UsageError(f"--lut-bits {wrong[0]}: expected one of {', '.join(map(str, LUT_BITS))}")
    _show(sweeps.sweep_lut(*load_pair(source, dataset, data), lut_bits))


def sweep_act(
    source: NetworkArgument,
    dataset: DatasetOption = "digits",
    data: DataOption = None,
    act_bits: Annotated[
        list[int],
        typer.Option("--act-bits", min=1, max=8, help="Bits of an activation; can be given several times."),
    ] = _ACT_BITS,
    epochs: Annotated[
        int, typer.Option("--epochs", min=0, help="Epochs of training for each number of bits; 0: none.")
    ] = 0,
    learning_rate: RateOption = _POOL.learning_rate,
    precision: PrecisionOption = _POOL.precision,
    seed: SeedOption = _POOL.seed,
    threads: ThreadsOption = _POOL.threads,
    device: DeviceOption = _POOL.device,
) -> None:
    """Accuracy of a pooled network by bits of the activations that its pooled layers read."""
    settings = _settings(epochs, learning_rate, precision, seed, threads, device)
    _show(sweeps.sweep_act(*load_pair(source, dataset, data), settings, act_bits))


def _settings(epochs: int, learning_rate: float, precision: str, seed: int, threads: int, device: str) -> PoolSettings:
    """What both sweeps that train can be told. Raises UsageError for an unknown device."""
    return PoolSettings(
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        precision=precision,
        threads=threads,
        device=checked_device(device),
    )


def _show(rows: Iterator[sweeps.Row]) -> None:
    """The finished rows as one table; progress goes to the terminal. A bad setting ends as UsageError."""
    done = []
    try:
        with ERR.status("measuring") as status:
            for row in rows:
                done.append(row)
                status.update(f"{row.setting}: test {100 * row.test:.2f} %")
    except ValueError as error:
        raise UsageError(str(error)) from error
    typer.echo(sweeps.table(done))
