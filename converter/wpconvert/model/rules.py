"""Rules: which tensor gets which method. YAML in, one choice per weight out; the last rule that matches wins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from wpconvert.codecs import CODECS
from wpconvert.errors import FileError, UsageError
from wpconvert.model.pooling import ACT_BITS, POOL
from wpconvert.model.weight import Weight

AUTO = "auto"
METHODS: tuple[str, ...] = (AUTO, "none", *CODECS)
"""Everything `-m` and a rule's `method` accept; `none` leaves a tensor as it is, AUTO the choice to the planner."""


class Rule(BaseModel):
    """One rule. Every selector given must match: `name` (regular expression, searched), `operator`, `tensor` (key).

    act_bits: of the activations that pooled weights are multiplied with.
    """

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
    def _selects(self) -> Rule:
        if self.name is None and self.operator is None and self.tensor is None:
            raise ValueError("a rule needs at least one of name, operator, tensor")
        if self.act_bits is not None and self.method != POOL:
            raise ValueError(f"act_bits is for method {POOL}, not {self.method}")
        return self

    def matches(self, weight: Weight) -> bool:
        return (
            (self.name is None or re.search(self.name, weight.name) is not None)
            and (self.operator is None or self.operator in weight.operators)
            and (self.tensor is None or self.tensor == weight.key)
        )

    def __str__(self) -> str:
        shown = self.model_dump(exclude_none=True, exclude={"method"})
        return ", ".join(f"{key}: {value}" for key, value in shown.items())


class Rules(BaseModel):
    """A rules file: `rules:`, a list. A dumped plan is such a file too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: list[Rule]


@dataclass(frozen=True)
class Choice:
    """What is to be tried on one weight: a method, and the least sparsity at which to try it.

    rule: the rule that says so, if one does. reason: why the method is `none`, where nobody asked for that.
    """

    weight: Weight
    method: str
    threshold: float
    rule: Rule | None = None
    reason: str | None = None


def load_rules(path: Path) -> Rules:
    """Read a rules file. FileError when unreadable; UsageError naming the place and the remedy when it is not valid."""
    try:
        content = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: cannot read the rules: {error}") from error
    try:
        data: Any = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # The loader lets errors of its scalars through: a date that is none, for one.
        reason = " ".join(str(error).split())
        raise UsageError(f"{path}: not YAML: {reason}") from error
    try:
        return Rules.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "top level"
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "model_type":
            message = "expected the key 'rules' with a list of rules"
        if first["type"] == "extra_forbidden":
            fields = Rule.model_fields if len(first["loc"]) > 1 else Rules.model_fields
            message = f"unknown key, expected one of {', '.join(fields)}"
        raise UsageError(f"{path}: {place}: {message}") from error


def choose(weights: Sequence[Weight], rules: Rules, method: str, threshold: float) -> list[Choice]:
    """A choice for each weight: the last matching rule's, else `method` and `threshold`.

    UsageError when a rule matches no weight: a rule that does nothing is a mistake.
    """
    for number, rule in enumerate(rules.rules, 1):
        if not any(rule.matches(weight) for weight in weights):
            known = ", ".join(weight.label for weight in weights[:3]) or "none"
            raise UsageError(f"rule {number} ({rule}) matches no weight; the model's weights are {known}, …")
    choices = []
    for weight in weights:
        matching = [rule for rule in rules.rules if rule.matches(weight)]
        if matching:
            last = matching[-1]
            limit = threshold if last.threshold is None else last.threshold
            choices.append(Choice(weight, last.method, limit, last))
        else:
            choices.append(Choice(weight, method, threshold))
    return choices
