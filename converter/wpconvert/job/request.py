"""What a conversion is asked to do, as users say it, and what that means."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from wpconvert.errors import UsageError
from wpconvert.formats.registry import Format
from wpconvert.model.goal import BALANCED, DEFAULT_GOAL, OPTIMIZE, Goal
from wpconvert.model.pooling import POOL, PoolSettings
from wpconvert.model.rules import AUTO, METHODS, Rules
from wpconvert.model.runtimes import BUNDLED, RUNTIMES
from wpconvert.model.settings import Settings
from wpconvert.target.board import board_named


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of a conversion; what has its default was not asked for. docs/USING.md says what each does.

    rules: a file of them. calibration: a file with samples to quantise a float `.onnx` model with.
    """

    method: str = AUTO
    rules: Path | None = None
    threshold: float = 0.0
    strip: bool = False
    optimize: str | None = None
    target: str | None = None
    runtime: str = BUNDLED
    max_slowdown: float | None = None
    flash: int | None = None
    ram: int | None = None
    measure: bool = False
    memory_plan: bool = True
    pool: PoolSettings | None = None
    pool_options: tuple[str, ...] = ()
    calibration: Path | None = None

    def settings(self) -> Settings:
        """The settings. UsageError for options that are wrong or contradict each other; FileError for the rules."""
        rules = Rules(rules=[]) if self.rules is None else _loaded(self.rules)
        settings = Settings(self.method, rules)
        goal = self._goal(AUTO in settings.methods)
        if self.measure and goal is None:
            raise UsageError("--measure is for -m auto, or for a method with --target")
        if self.measure and self.runtime != BUNDLED:
            raise UsageError(f"--measure runs the bundled runtime, not --runtime {self.runtime}")
        if self.pool_options and POOL not in settings.methods:
            raise UsageError(f"{self.pool_options[0]} is for -m {POOL}, or a rule with method {POOL}")
        return Settings(
            self.method,
            rules,
            self.threshold,
            self.strip,
            goal,
            self.pool or PoolSettings(),
            self.memory_plan,
            None if goal is None or self.target is None else goal.core,
        )

    def check_method(self) -> None:
        """UsageError for a method that there is not."""
        if self.method not in METHODS:
            known = ", ".join(METHODS)
            raise UsageError(f"unknown method {self.method!r}, expected one of {known}; see wpconvert methods")

    def check_format(self, own: Format) -> None:
        """UsageError for an option that the format's files do not have."""
        defaults = {field.name: field.default for field in fields(self)}
        given = {_flag(name) for name, default in defaults.items() if getattr(self, name) != default}
        for flag in own.refuses:
            if flag in given or flag in self.pool_options:
                raise UsageError(f"{flag} {own.refusal}")

    def _goal(self, automatic: bool) -> Goal | None:
        """What the planner is to reach; None where nothing is planned or predicted."""
        if self.optimize is not None and self.optimize not in OPTIMIZE:
            raise UsageError(f"unknown --optimize {self.optimize!r}, expected one of {', '.join(OPTIMIZE)}")
        if self.optimize is not None and not automatic:
            raise UsageError("--optimize is for -m auto, or a rule with method auto")
        if self.max_slowdown is not None and not self.max_slowdown > 0:
            raise UsageError(
                f"--max-slowdown {self.max_slowdown:g}, expected a positive factor, 1.1 for a tenth slower"
            )
        if self.runtime not in RUNTIMES:
            raise UsageError(f"unknown --runtime {self.runtime!r}, expected one of {', '.join(RUNTIMES)}")
        limits = (self.target, self.max_slowdown, self.flash, self.ram)
        if not automatic and self.runtime == BUNDLED and limits == (None,) * 4:
            return None
        board = board_named(self.target or DEFAULT_GOAL.target)
        default = BALANCED if automatic else None
        return Goal(
            board.name,
            board.core,
            self.optimize or default,
            self.max_slowdown,
            self.flash,
            self.ram,
            self.runtime,
        )


def _flag(name: str) -> str:
    return "--no-memory-plan" if name == "memory_plan" else f"--{name.replace('_', '-')}"


def _loaded(rules: Path) -> Rules:
    from wpconvert.model.rules_file import load_rules  # noqa: PLC0415 - pydantic for its files alone

    return load_rules(rules)
