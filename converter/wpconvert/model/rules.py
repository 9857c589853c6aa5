"""Rules: which tensor gets which method. One choice per weight comes out; the last rule that matches wins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from wpconvert.errors import UsageError
from wpconvert.model.changed import Values
from wpconvert.model.layer import PLAIN
from wpconvert.model.weight import Weight

AUTO = "auto"
"""The method that leaves the choice to the planner."""


@dataclass(frozen=True)
class Rule:
    """One rule. Every selector given must match: `name` (regular expression, searched), `operator`, `tensor` (key).

    options: of the transform that the method is.
    """

    method: str
    name: str | None = None
    operator: str | None = None
    tensor: str | None = None
    threshold: float | None = None
    options: Values = field(default_factory=dict)

    def matches(self, weight: Weight) -> bool:
        return (
            (self.name is None or re.search(self.name, weight.name) is not None)
            and (self.operator is None or self.operator in weight.operators)
            and (self.tensor is None or self.tensor == weight.key)
        )

    def __str__(self) -> str:
        fields = {"name": self.name, "operator": self.operator, "tensor": self.tensor, "threshold": self.threshold}
        given = {key: value for key, value in (fields | dict(self.options)).items() if value is not None}
        return ", ".join(f"{key}: {value}" for key, value in given.items())


@dataclass(frozen=True)
class Rules:
    """The rules of one conversion, in their order."""

    rules: list[Rule]


@dataclass(frozen=True)
class Choice:
    """What is to be tried on one weight: a method, and the least sparsity at which to try it.

    rule: the rule that says so, if one does. reason: why the method is `none`, where it was not requested.
    """

    weight: Weight
    method: str
    threshold: float
    rule: Rule | None = None
    reason: str | None = None

    @property
    def options(self) -> Values:
        """What its rule says of its method."""
        return {} if self.rule is None else self.rule.options

    def left(self, reason: str) -> Choice:
        """The choice of no method, for `reason`."""
        return replace(self, method=PLAIN, reason=reason)


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


def shared(choices: Sequence[Choice]) -> list[list[Choice]]:
    """The choices of weights that share their bytes, in the order of the first ones."""
    groups: dict[int, list[Choice]] = {}
    for choice in choices:
        groups.setdefault(choice.weight.storage, []).append(choice)
    return list(groups.values())
