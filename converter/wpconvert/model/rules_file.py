"""A rules file: YAML in, rules out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from wpconvert import strict_yaml
from wpconvert.errors import UsageError
from wpconvert.model.pooling import ACT_BITS, POOL
from wpconvert.model.rules import METHODS, Rule, Rules


class _Rule(BaseModel):
    """The fields of a Rule as a file may have them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    name: str | None = None
    operator: str | None = None
    tensor: str | None = None
    threshold: float | None = Field(default=None, ge=0.0, le=1.0)
    act_bits: int | None = Field(default=None, ge=1, le=ACT_BITS)

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
    def _selects(self) -> _Rule:
        if self.name is None and self.operator is None and self.tensor is None:
            raise ValueError("a rule needs at least one of name, operator, tensor")
        if self.act_bits is not None and self.method != POOL:
            raise ValueError(f"act_bits is for method {POOL}, not {self.method}")
        return self


class _Rules(BaseModel):
    """A rules file: `rules:`, a list. A dumped plan is such a file too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: list[_Rule]


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
            message = "expected the key 'rules' with a list of rules"
        if first["type"] == "extra_forbidden":
            fields = _Rule.model_fields if len(first["loc"]) > 1 else _Rules.model_fields
            message = f"unknown key, expected one of {', '.join(fields)}"
        raise UsageError(f"{where}: {place}: {message}") from error
    return Rules([Rule(**rule.model_dump()) for rule in found.rules])
