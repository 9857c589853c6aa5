"""What the commands of `wptrain` share: options, and how they are read."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wpconvert.errors import UsageError

from .. import data
from ..data.module import DataModule
from ..recipes.runner import check_pair, load_network
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
TestOption = Annotated[
    bool, typer.Option("--test", help="Measure the test split, too. Choose settings by validation only.")
]
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


def load_pair(source: Path, choice: str, options: Sequence[str] | None) -> tuple[Trained, DataModule]:
    """A network, and a dataset that it can be measured or calibrated with.

    Raises DataError when the images or the number of classes are not the network's, else as the loaders do.
    """
    trained = load_network(source)
    return trained, load_fitting(source, trained, choice, options)


def load_fitting(source: Path, trained: Trained, choice: str, options: Sequence[str] | None) -> DataModule:
    """A dataset for the network of the file `source`. Raises as `load_pair` does."""
    dataset = load_dataset(choice, options)
    check_pair(source, trained, dataset, choice)
    return dataset


def quiet_converters() -> None:
    """Keep from the terminal what PyTorch, torchao and the converter's compiler say of themselves when loaded."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    warnings.filterwarnings("ignore", category=FutureWarning)
    for name in ("torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # An exported graph has no mode; it was exported in evaluation mode.
    logging.getLogger().addFilter(lambda record: "converted in training mode" not in record.getMessage())
