"""A rules file: YAML in, rules out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator, model_validator

from wpconvert import strict_yaml
from wpconvert.errors import UsageError
from wpconvert.methods import METHODS
from wpconvert.model.rules import Rule, Rules
from wpconvert.transforms.registry import TRANSFORMS, options_of


class _Fixed(BaseModel):
    """The fields of a Rule as a file may have them, but for options of transforms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    name: str | None = None
    operator: str | None = None
    tensor: str | None = None
    threshold: float | None = Field(default=None, ge=0.0, le=1.0)

    @field_validator("method")
    @classmethod
    def _known_method(cls, value: str) -> str:
        if value not in METHODS:
            raise ValueError(f"unknown method {value!r}, expected one of {', '.join(METHODS)}")
        return value

    @field_validator("name")
    @classmethod
    def _regular_expression(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except (re.error, OverflowError, RecursionError) as error:
                raise ValueError(f"{value!r} is not a regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _selects(self) -> _Fixed:
        if self.name is None and self.operator is None and self.tensor is None:
            raise ValueError("a rule needs at least one of name, operator and tensor")
        own = {option.name for option in options_of(self.method)}
        for name, method in _OPTIONS.items():
            if getattr(self, name) is not None and name not in own:
                raise ValueError(f"{name} needs method {method}, not {self.method}")
        return self


_OPTIONS = {option.name: one.name for one in TRANSFORMS.values() for option in one.options if option.of_rules}
"""The options that rules may give, and the method that has each."""
_FIELDS: dict[str, Any] = {
    option.name: (
        (str if option.is_text else int) | None,
        Field(default=None, ge=option.low, le=option.high),
    )
    for one in TRANSFORMS.values()
    for option in one.options
    if option.of_rules
}
_Rule: type[_Fixed] = create_model("_Rule", __base__=_Fixed, **_FIELDS)


class _Rules(BaseModel):
    """A rules file: `rules:`, a list. A dumped plan is such a file too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: list[_Rule]  # type: ignore[valid-type]


def load_rules(path: Path) -> Rules:
    """Read a rules file. FileError when unreadable; UsageError naming the place and the remedy when it is not valid."""
    return _rules(strict_yaml.load(path, "the rules"), str(path))


def parse_rules(content: str, where: str) -> Rules:
    """The rules in the text of a file, like a dumped plan. UsageError, which starts with `where`."""
    return _rules(strict_yaml.parse(content, where), where)


def _rules(data: Any, where: str) -> Rules:
    try:
        found = _Rules.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "top level"
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "model_type":
            of_rule = len(first["loc"]) > 1
            message = "expected the keys of a rule" if of_rule else "expected a key 'rules' with a list of rules"
        if first["type"] == "extra_forbidden":
            fields = _Rule.model_fields if len(first["loc"]) > 1 else _Rules.model_fields
            message = f"unknown key, expected one of {', '.join(fields)}"
        raise UsageError(f"{where}: {place}: {message}") from error
    return Rules([_rule(rule) for rule in found.rules])


def _rule(found: BaseModel) -> Rule:
    values = found.model_dump()
    options = {name: values.pop(name) for name in _OPTIONS}
    return Rule(**values, options={name: value for name, value in options.items() if value is not None})
