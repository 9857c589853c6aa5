"""Settings that people give, in recipes and on command lines: checked in one place, a wrong one is one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from wpconvert.errors import UsageError


class Settings(BaseModel):
    """Base of all settings: they cannot be changed, and unknown ones are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Kind = TypeVar("Kind", bound=Settings)


def checked(kind: type[Kind], given: Mapping[str, object], where: str) -> Kind:
    """The settings that `given` says, by name. Raises UsageError, one line that starts with `where`."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = _fields(kind, first["loc"][:-1])
            raise UsageError(f"{where}: {name}: unknown; expected one of {', '.join(known)}") from error
        if first["type"] == "missing":
            raise UsageError(f"{where}: {name}: missing") from error
        message = first["msg"][0].lower() + first["msg"][1:]
        raise UsageError(f"{where}: {name or 'settings'}: {first['input']!r}: {message}") from error


def _fields(kind: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The names of the settings at `place` in those of `kind`."""
    for part in place:
        annotation: Any = kind.model_fields[str(part)].annotation
        kind = next(each for each in (annotation, *get_args(annotation)) if issubclass(each, BaseModel))
    return list(kind.model_fields)
