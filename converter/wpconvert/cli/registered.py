"""Options of a command that come from registries: those of transforms and of back ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from wpconvert.backends.registry import BACKENDS, Backend
from wpconvert.transforms.base import Option
from wpconvert.transforms.registry import OPTIONS

Command = Callable[..., None]


def with_registered(command: Command) -> Command:
    """The command with an option for each one of a transform in the place of its parameter `options`, and for each back
    end in that of `emit`.

    The two get mappings of those which were given, by name.
    """
    groups = {
        "options": {name: _option(option) for name, option in OPTIONS.items()},
        "emit": {name: _output(backend) for name, backend in BACKENDS.items()},
    }
    signature = inspect.signature(command, eval_str=True)
    parameters = [
        one
        for parameter in signature.parameters.values()
        for one in groups.get(parameter.name, {"": parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)}).values()
    ]

    @wraps(command)
    def wrapper(**given: Any) -> None:
        command(**{name: _taken(group, given) for name, group in groups.items()}, **given)

    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def _taken(group: Mapping[str, inspect.Parameter], given: dict[str, Any]) -> dict[str, Any]:
    """Take the values of a group out of all; those which were given, by name."""
    values = {name: given.pop(parameter.name) for name, parameter in group.items()}
    return {name: value for name, value in values.items() if value is not None}


def _option(option: Option) -> inspect.Parameter:
    kind: Any = str if option.is_text else int
    said = typer.Option(option.flag, min=option.low, max=option.high, metavar=option.metavar, help=option.help)
    return _parameter(option.name, kind, said)


def _output(backend: Backend) -> inspect.Parameter:
    said = typer.Option(backend.flag, metavar=backend.metavar, help=backend.help)
    return _parameter(backend.parameter, Path, said)


def _parameter(name: str, kind: Any, said: typer.models.OptionInfo) -> inspect.Parameter:
    annotation: Any = Annotated[kind | None, said]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
