"""What a plan is to reach."""

from __future__ import annotations

from dataclasses import dataclass

SIZE, SPEED, BALANCED = "size", "speed", "balanced"
OPTIMIZE = (BALANCED, SIZE, SPEED)
DEFAULT_SLOWDOWN = 1.10
"""The most that BALANCED may slow the model down, as a factor on the cycles of the dense one."""


@dataclass(frozen=True)
class Goal:
    """SIZE: fewest bytes. SPEED: fewest cycles. BALANCED: fewest bytes within the slowdown.

    None: nothing is left to choose. target: a board; its core's cost model is used. max_slowdown: most cycles and most
    instructions as a factor on those of the dense model, None for the default. flash_nbytes: most bytes of model and
    code. ram_nbytes: largest arena.
    """

    target: str
    core: str
    optimize: str | None = BALANCED
    max_slowdown: float | None = None
    flash_nbytes: int | None = None
    ram_nbytes: int | None = None

    @property
    def slowdown(self) -> float:
        """The limit that holds."""
        if self.max_slowdown is not None:
            return self.max_slowdown
        return DEFAULT_SLOWDOWN if self.optimize == BALANCED else float("inf")


DEFAULT_GOAL = Goal("corstone300", "Cortex-M55")
"""What is planned for where nothing is said."""
