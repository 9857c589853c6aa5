"""What the recipes of zoo models share: command line, command in the card, files written."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import nn

from ..data.module import DataModule
from ..loop.evaluation import evaluate
from ..report.card import Score

ZOO = "models/zoo"


def command(recipe: str, settings: Any) -> str:
    """The command that gives the result of these settings, written for the zoo folder whatever the folder was.

    settings: a dataclass whose fields all have defaults.
    """
    defaults = type(settings)()
    changed = [
        f" --{field.name.replace('_', '-')} {getattr(settings, field.name)}"
        for field in fields(settings)
        if getattr(settings, field.name) != getattr(defaults, field.name)
    ]
    return f"python -m wptrain.recipes.{recipe} --out {ZOO}{''.join(changed)}"


def parser(recipe: str, description: str | None) -> argparse.ArgumentParser:
    """A parser with the option of the folder."""
    result = argparse.ArgumentParser(
        prog=f"python -m wptrain.recipes.{recipe}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    result.add_argument("--out", type=Path, default=Path(ZOO), help="folder to write to, made if absent")
    return result


def parse(
    options: argparse.ArgumentParser, arguments: Sequence[str] | None, positive: Sequence[str]
) -> tuple[Path, dict[str, Any]]:
    """The folder and the other options by name; those in `positive` must be at least 1."""
    values = vars(options.parse_args(arguments))
    out: Path = values.pop("out")
    for name in positive:
        if values[name] < 1:
            options.error(f"--{name.replace('_', '-')} {values[name]}: must be at least 1")
    return out, values


def float_score(network: nn.Module, data: DataModule) -> Score:
    """What the network gets right of the test split before quantisation."""
    accuracy, _ = evaluate(network, data, "test")
    size = len(data.labels("test"))
    return Score(round(accuracy * size), size)


def show_progress() -> None:
    """Let recipes and training say what they do, other packages only what goes wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("wptrain").setLevel(logging.INFO)


def write(out: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into a folder, made if absent, and say how long they are."""
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
        print(f"{name}: {len(content)} bytes")
