"""What a dataset can be told, as `KEY=VALUE` of a command line or as mappings of a recipe."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wpconvert.errors import UsageError

from .memory import Images
from .module import DataModule


class Options(BaseModel):
    """Base of all options: unknown ones are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageOptions(Options):
    """`mirror`: training images at random, `shift`: by up to so many pixels; None: as the dataset states.

    `pad`: zeros on each side of all images, for networks that want larger ones.
    """

    mirror: bool | None = None
    pad: int = Field(0, ge=0, le=64)
    shift: int | None = Field(None, ge=0, le=1024)


Chosen = TypeVar("Chosen", bound=Options)
# Of the path, the options as given, and the dataset as messages name it.
Opener = Callable[[Path, Mapping[str, object], str], DataModule]


def source(kind: type[Chosen], load: Callable[[Path, Chosen], DataModule]) -> Opener:
    """What opens a dataset: `load` with checked options. Raises UsageError for unknown ones or wrong values."""

    def opened(path: Path, given: Mapping[str, object], where: str) -> DataModule:
        return load(path, _checked(kind, given, where))

    return opened


def images(load: Callable[[Path], Images]) -> Opener:
    """The same for images in memory."""

    def opened(path: Path, options: ImageOptions) -> Images:
        loaded = load(path)
        if options.pad:
            loaded = loaded.padded(options.pad)
        told = {name: value for name, value in options.model_dump(exclude={"pad"}).items() if value is not None}
        return replace(loaded, augmentation=replace(loaded.augmentation, **told))

    return source(ImageOptions, opened)


def _checked(kind: type[Chosen], given: Mapping[str, object], where: str) -> Chosen:
    try:
        return kind.model_validate({name: _value(value) for name, value in given.items()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UsageError(
                f"dataset {where}: unknown option {name}; expected one of {', '.join(kind.model_fields)}"
            ) from error
        message = first["msg"][0].lower() + first["msg"][1:]
        raise UsageError(f"dataset {where}: option {name} {first['input']!r}: {message}") from error


def _value(given: object) -> object:
    """A text as what it says: a number, true or false, or else the text."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except ValueError:
        return given
