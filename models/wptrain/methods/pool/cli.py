"""The commands of `wptrain` that measure a pooled network with fewer bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from wpconvert.errors import UsageError
from wpconvert.transforms.pool import LUT_BITS

from ...cli.options import ERR, DataOption, DatasetOption, NetworkArgument, TestOption, load_pair
from ...loop.devices import choose_device, make_deterministic
from ...loop.settings import LoopSettings
from ...report.table import Measured, table
from ...settings import checked
from . import sweeps

_LUT_BITS = list(LUT_BITS)
_ACT_BITS = [8, 7, 6, 5, 4, 3, 2, 1]


def sweep_lut(
    source: NetworkArgument,
    dataset: DatasetOption = "digits",
    data: DataOption = None,
    lut_bits: Annotated[
        list[int], typer.Option("--lut-bits", help="Bits of a look-up entry; can be given several times.")
    ] = _LUT_BITS,
    test: TestOption = False,
) -> None:
    """Accuracy of a pooled network by bits of an entry of its look-up table, not retrained."""
    wrong = [bits for bits in lut_bits if bits not in LUT_BITS]
    if wrong:
        raise UsageError(f"--lut-bits {wrong[0]}: expected one of {', '.join(map(str, LUT_BITS))}")
    _show(sweeps.sweep_lut(*load_pair(source, dataset, data), lut_bits, test))


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
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Of that training, at its start.")] = 2e-3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of that training.")] = 0,
    device: Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Of that training.")] = "auto",
    test: TestOption = False,
) -> None:
    """Accuracy of a pooled network by bits of the activations that its pooled layers read."""
    given = {
        "epochs": max(1, epochs),
        "seed": seed,
        "distil": 0.7,
        "device": device,
        "optimiser": {"learning_rate": learning_rate, "weight_decay": 0.01},
    }
    settings = checked(LoopSettings, given, "sweep-act")
    settings = settings.model_copy(update={"device": choose_device(settings.device)})
    make_deterministic(seed, settings.threads)
    _show(sweeps.sweep_act(*load_pair(source, dataset, data), settings if epochs else None, act_bits, test))


def _show(rows: Iterator[tuple[str, Measured]]) -> None:
    """The finished rows as one table; progress goes to the terminal. A bad setting ends as UsageError."""
    done: dict[str, list[Measured]] = {}
    try:
        with ERR.status("measuring") as status:
            for label, measured in rows:
                done[label] = [measured]
                status.update(f"{label}: validation {100 * measured.validation:.2f} %")
    except ValueError as error:
        raise UsageError(str(error)) from error
    typer.echo(table(done))


COMMANDS = (sweep_lut, sweep_act)
