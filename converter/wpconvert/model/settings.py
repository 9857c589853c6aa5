"""What a conversion is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field

from wpconvert.model.changed import Values
from wpconvert.model.goal import DEFAULT_GOAL, Goal
from wpconvert.model.rules import AUTO, Rules


@dataclass(frozen=True)
class Settings:
    """What to do: the method and least sparsity (0 to 1) where no rule says otherwise, and whether to strip.

    goal: what the planner is to reach, DEFAULT_GOAL where a method is AUTO; without either nothing is predicted.
    options: of the methods that are transforms. memory_plan: whether a plan of the arena is added where it pays.
    core: the only one that the file is for, whatever the planner counts by. processes: that encode at once, all cores
    by default.
    """

    method: str
    rules: Rules
    threshold: float = 0.0
    strip: bool = False
    goal: Goal | None = None
    options: Values = field(default_factory=dict)
    memory_plan: bool = True
    core: str | None = None
    processes: int | None = None

    @property
    def methods(self) -> frozenset[str]:
        """All that are asked for."""
        return frozenset((self.method, *(rule.method for rule in self.rules.rules)))

    @property
    def planned(self) -> Goal | None:
        """The goal that holds."""
        return self.goal or (DEFAULT_GOAL if AUTO in self.methods else None)
