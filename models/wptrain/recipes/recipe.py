"""Recipes: what a training is made of, as a YAML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from wpconvert import strict_yaml
from wpconvert.errors import FileError, UsageError

from .. import methods
from ..loop.settings import LoopSettings
from ..settings import Settings, checked

_SUFFIX = ".yaml"


class DataSettings(Settings):
    """`source`: NAME or NAME:PATH as `data.load` takes it; what else is there are the dataset's options."""

    model_config = ConfigDict(frozen=True, extra="allow")

    source: str

    @property
    def options(self) -> dict[str, object]:
        return dict(self.model_extra or {})


class Recipe(LoopSettings):
    """A training: its data, its network or the file `start` of a network to go on with, and the methods in order.

    `methods`: settings by the method's name. `teacher`: the file of a network whose outputs `distil` asks for; the one
    of `start` if it is not given.
    """

    data: DataSettings
    network: str | None = None
    start: Path | None = None
    teacher: Path | None = None
    methods: Annotated[dict[str, dict[str, Any]], Field(default_factory=dict)]


@dataclass(frozen=True)
class Named:
    """A recipe and the name of its file, without suffix."""

    name: str
    recipe: Recipe


def shipped() -> tuple[str, ...]:
    """The names of the recipes that come with the package."""
    files = resources.files(__package__).iterdir()
    return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in files if file.name.endswith(_SUFFIX)))


def read(given: str, changes: Iterable[str] = ()) -> Named:
    """The recipe of a file, or the shipped one of that name, with `changes`: texts KEY=VALUE, keys with dots inside.

    Raises FileError when there is none, UsageError when it is wrong: one line with the place.
    """
    if given in shipped():
        name = given
        content = strict_yaml.parse(
            resources.files(__package__).joinpath(f"{given}{_SUFFIX}").read_text("utf-8"), given
        )
    else:
        path = Path(given)
        if not path.suffix and not path.exists():
            raise FileError(f"{given}: no such file, and no recipe of that name; there are {', '.join(shipped())}")
        name, content = path.stem, strict_yaml.load(path, "the recipe")
    if not isinstance(content, dict):
        raise UsageError(f"{given}: expected settings by name")
    for change in changes:
        _set(content, change)
    recipe = checked(Recipe, _nested(content), given)
    told = {
        method: methods.entry(method).check(settings, f"{given}: methods.{method}").model_dump(mode="json")
        for method, settings in recipe.methods.items()
    }
    recipe = recipe.model_copy(update={"methods": told})
    if (recipe.network is None) == (recipe.start is None):
        raise UsageError(f"{given}: needs either network or start, the file of a network; set one with --set")
    if recipe.distil and recipe.teacher is None and recipe.start is None:
        raise UsageError(f"{given}: distil {recipe.distil:g}: needs a teacher, or a network to start from")
    return Named(name, recipe)


def _nested(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with empty mappings where a method has nothing but its name."""
    listed = content.get("methods")
    if not isinstance(listed, dict):
        return dict(content)
    return {**content, "methods": {name: {} if settings is None else settings for name, settings in listed.items()}}


def _set(content: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not key or not equals:
        raise UsageError(f"--set {change}: expected KEY=VALUE")
    *parts, last = key.split(".")
    place = content
    for part in parts:
        if place.get(part) is None:
            place[part] = {}
        place = place[part]
        if not isinstance(place, dict):
            raise UsageError(f"--set {change}: {part} is a value, it has no settings")
    place[last] = strict_yaml.parse(text, f"--set {key}")
