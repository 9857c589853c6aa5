"""The options of transforms, as each transform names them, for a command that takes them as one mapping."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from wpconvert.transforms.base import Option
from wpconvert.transforms.registry import OPTIONS

_NAME = "options"


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each one of a transform in the place of its parameter `options`.

    That gets those which were given, by name.
    """
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name == _NAME:
            parameters += map(_parameter, OPTIONS.values())
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def wrapper(**given: Any) -> None:
        values = {name: given.pop(name) for name in OPTIONS}
        command(**given, **{_NAME: {name: value for name, value in values.items() if value is not None}})

    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def _parameter(option: Option) -> inspect.Parameter:
    kind: Any = str if option.is_text else int
    said = typer.Option(
        option.flag, min=option.low, max=option.high, metavar=option.metavar, help=option.help, show_default=False
    )
    annotation: Any = Annotated[kind | None, said]
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
