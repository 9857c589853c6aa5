"""What the commands of `wptrain` share: options, and how they are read."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from wpconvert.errors import FileError, UsageError

from .. import data
from ..data.module import DataModule
from ..errors import DataError
from ..loop.trainer import PRECISIONS, choose_device
from ..trained import Trained

ERR = Console(stderr=True, highlight=False)

DatasetOption = Annotated[
    str, typer.Option("--dataset", metavar="NAME[:PATH]", help=f"One of {', '.join(data.CHOICES)}.")
]
DataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="KEY=VALUE",
        help="An option of the dataset, such as mirror=true; can be given several times.",
        show_default=False,
    ),
]
DatasetArgument = Annotated[
    str, typer.Argument(metavar="NAME[:PATH]", help=f"One of {', '.join(data.CHOICES)}.", show_default=False)
]
OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder for network, checkpoint and runs.")]
RateOption = Annotated[float, typer.Option("--learning-rate", min=0.0, max=1e6, help="Initial learning rate.")]
DecayOption = Annotated[
    float, typer.Option("--weight-decay", min=0.0, max=1.0, help="Share of the learning rate by which weights shrink.")
]
BatchOption = Annotated[int, typer.Option("--batch-size", min=2, help="Images of one step.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed for weights, order, shifts and clustering.")]
EpochsOption = Annotated[int, typer.Option("--epochs", min=1, help="Number of passes over all training images.")]
ThreadsOption = Annotated[
    int, typer.Option("--threads", min=1, help="CPU threads; the last bits of results depend on their number.")
]
PrecisionOption = Annotated[
    str, typer.Option("--precision", metavar="|".join(PRECISIONS), help="Number format of operators in training.")
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Device for training.")]
TrackOption = Annotated[bool, typer.Option("--track/--no-track", help="Record the run with MLflow, too.")]
NetworkArgument = Annotated[
    Path, typer.Argument(metavar="NETWORK.pt", help="A network written by wptrain.", show_default=False)
]


def load_dataset(choice: str, options: Sequence[str] | None) -> DataModule:
    """The dataset with options `KEY=VALUE`. Raises UsageError for another form of an option, else as `data.load`."""
    given = [option.partition("=") for option in options or ()]
    for name, equals, value in given:
        if not name or not equals:
            raise UsageError(f"--data {name}{equals}{value}: expected KEY=VALUE")
    with ERR.status(f"reading {choice}"):
        return data.load(choice, {name: value for name, _, value in given})


def load_network(path: Path) -> Trained:
    """The network of a file. Raises FileError when it cannot be read, DataError when it is none."""
    try:
        return Trained.load(path)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(str(error)) from error


def load_pair(source: Path, choice: str, options: Sequence[str] | None) -> tuple[Trained, DataModule]:
    """A network, and a dataset that it can be trained, measured or calibrated with.

    Raises DataError when the images or the number of classes are not the network's, else as the loaders do.
    """
    trained, dataset = load_network(source), load_dataset(choice, options)
    if trained.image_shape != dataset.sample_shape or trained.classes != len(dataset.classes):
        raise DataError(
            f"{source}: made for {_kind(trained.image_shape, trained.classes)}; dataset {choice} has "
            f"{_kind(dataset.sample_shape, len(dataset.classes))}; give the dataset that it was trained with"
        )
    return trained, dataset


def _kind(image_shape: tuple[int, int, int], classes: int) -> str:
    height, width, channels = image_shape
    return f"images of {height} x {width} x {channels} in {classes} classes"


def quiet_converters() -> None:
    """Keep from the terminal what PyTorch, torchao and the converter's compiler say of themselves when loaded."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    warnings.filterwarnings("ignore", category=FutureWarning)
    for name in ("torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # An exported graph has no mode; it was exported in evaluation mode.
    logging.getLogger().addFilter(lambda record: "converted in training mode" not in record.getMessage())


def checked_device(name: str) -> str:
    """The device's name, `auto` resolved. Raises UsageError when there is no such device."""
    if name not in {"auto", "cpu", "cuda"}:
        raise UsageError(f"--device {name}: expected auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch finds no CUDA device; use --device cpu")
    return str(choose_device(name))
