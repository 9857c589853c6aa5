"""The list of models to convert. YAML in, one task per model out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wpconvert.errors import FileError, UsageError
from wpconvert.files import same_file


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
    """One conversion. Paths are absolute; `options` are arguments of `wpconvert`."""

    model: Path
    output: Path
    options: tuple[str, ...]


def load_manifest(path: Path) -> list[Task]:
    """The tasks of a manifest, whose relative paths start at its folder.

    FileError when it cannot be read; UsageError, naming the place, when it is not valid or two results are one file.
    """
    try:
        content = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: cannot read the manifest: {error}") from error
    try:
        manifest = Manifest.model_validate(yaml.safe_load(content))
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{path}: not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "top level"
        raise UsageError(f"{path}: {place}: {first['msg']}; expected models: with model, output, options") from error
    folder = path.resolve().parent
    tasks = [
        Task(folder / entry.model, folder / entry.output, (*manifest.options, *entry.options))
        for entry in manifest.models
    ]
    written: dict[Path, int] = {}
    for number, task in enumerate(tasks, 1):
        first_number = written.setdefault(task.output.resolve(), number)
        if first_number != number:
            raise UsageError(f"{path}: models {first_number} and {number} have the same output {task.output}")
        if any(same_file(task.output, other.model) for other in tasks):
            raise UsageError(f"{path}: output {task.output} is one of the models")
    return tasks
