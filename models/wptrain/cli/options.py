"""What the commands of `wptrain` share: options, and how they are read."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wpconvert.errors import FileError, UsageError

from .. import data
from ..data.dataset import Dataset
from ..errors import DataError
from ..trained import Trained
from ..training import PRECISIONS

ERR = Console(stderr=True, highlight=False)

DatasetOption = Annotated[
    str, typer.Option("--dataset", metavar="NAME[:PATH]", help=f"One of {', '.join(data.CHOICES)}.")
]
OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder for network, checkpoint and runs.")]
RateOption = Annotated[float, typer.Option("--learning-rate", min=0.0, help="Initial learning rate.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed for weights, order, shifts and clustering.")]
EpochsOption = Annotated[int, typer.Option("--epochs", min=1, help="Number of passes over all training images.")]
ThreadsOption = Annotated[
    int, typer.Option("--threads", min=1, help="CPU threads; the last bits of results depend on their number.")
]
PrecisionOption = Annotated[
    str, typer.Option("--precision", metavar="|".join(PRECISIONS), help="Number format of operators in training.")
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Device for training.")]
TrackOption = Annotated[bool, typer.Option("--track/--no-track", help="Record parameters and metrics with MLflow.")]
NetworkArgument = Annotated[
    Path, typer.Argument(metavar="NETWORK.pt", help="A network written by wptrain.", show_default=False)
]


def load_dataset(choice: str) -> Dataset:
    """The dataset, or what `data.load` raises."""
    with ERR.status(f"reading {choice}"):
        return data.load(choice)


def load_network(path: Path) -> Trained:
    """The network of a file. Raises FileError when it cannot be read, DataError when it is none."""
    try:
        return Trained.load(path)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(str(error)) from error


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
    """The name. Raises UsageError when there is no such device."""
    if name not in {"auto", "cpu", "cuda"}:
        raise UsageError(f"--device {name}: expected auto, cpu or cuda")
    return name
