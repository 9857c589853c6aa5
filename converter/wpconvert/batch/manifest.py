"""The list of models to convert. YAML in, one task per model out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wpconvert import strict_yaml
from wpconvert.errors import UsageError


class Entry(BaseModel):
    """One model: its file, where the result goes, and further arguments of `wpconvert`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    output: str
    options: list[str] = Field(default_factory=list)


class Manifest(BaseModel):
    """A manifest: `models:`, a list, and `options:`, arguments for all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: list[Entry] = Field(min_length=1)
    options: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """One conversion. model and output are absolute; `options` are arguments of `wpconvert`, run in `folder`.

    reads, writes: the further files that the options name.
    """

    folder: Path
    model: Path
    output: Path
    options: tuple[str, ...]
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()


def load_manifest(path: Path) -> list[Task]:
    """The tasks of a manifest, whose relative paths start at its folder.

    FileError when it cannot be read; UsageError, naming the place, when it is not valid.
    """
    data = strict_yaml.load(path, "the manifest")
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "top level"
        raise UsageError(f"{path}: {place}: {first['msg']}; expected models: with model, output, options") from error
    folder = path.resolve().parent
    return [
        Task(folder, folder / entry.model, folder / entry.output, (*manifest.options, *entry.options))
        for entry in manifest.models
    ]


def check_outputs(path: Path, tasks: Sequence[Task]) -> None:
    """UsageError where two tasks of the manifest at `path` write one file, or one writes what another reads."""
    read = {file for task in tasks for file in (task.model.resolve(), *map(Path.resolve, task.reads))}
    writers: dict[Path, int] = {}
    for number, task in enumerate(tasks, 1):
        for file in (task.output, *task.writes):
            first = writers.setdefault(file.resolve(), number)
            if first != number:
                raise UsageError(f"{path}: models {first} and {number} have the same output {file}")
            if file.resolve() in read:
                raise UsageError(f"{path}: output {file} is one of the models or a file named in options")
