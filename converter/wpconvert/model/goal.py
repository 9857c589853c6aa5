"""What a plan is to reach."""

from __future__ import annotations

from dataclasses import dataclass

BUNDLED, TFLM = "bundled", "tflm"
RUNTIMES = (BUNDLED, TFLM)
"""What runs a rewritten model: the bundled runtime, or TensorFlow Lite Micro with CMSIS-NN and our operators."""
BALANCED, SIZE, SPEED, FILE = "balanced", "size", "speed", "file"
OPTIMIZE = (BALANCED, SIZE, SPEED, FILE)
DEFAULT_SLOWDOWN = 1.10
"""The most that BALANCED and FILE may slow the model down, as a factor on the cycles of the dense one."""
WORTH = 0.1
"""What BALANCED gives time for: as large a share of the dense model's flash as WORTH times its share of the cycles."""


@dataclass(frozen=True)
class Goal:
    """What counts, flash being model and code together.

    BALANCED: least flash within the slowdown, where time is paid for by WORTH. SIZE: least flash. SPEED: fewest cycles.
    FILE: fewest bytes of the file alone within the slowdown. None: nothing is left to choose.

    target: a board; its core's cost model is used. max_slowdown: most cycles and most instructions as a factor on
    those of the dense model, None for the default. flash_nbytes: most bytes of flash. ram_nbytes: largest arena.
    runtime: whose cycles, code and arena count.
    """

    target: str
    core: str
    optimize: str | None = BALANCED
    max_slowdown: float | None = None
    flash_nbytes: int | None = None
    ram_nbytes: int | None = None
    runtime: str = BUNDLED

    @property
    def slowdown(self) -> float:
        """The limit that holds."""
        if self.max_slowdown is not None:
            return self.max_slowdown
        return DEFAULT_SLOWDOWN if self.optimize in (BALANCED, FILE) else float("inf")


DEFAULT_GOAL = Goal("corstone300", "Cortex-M55")
"""What is planned for where nothing is reported."""
