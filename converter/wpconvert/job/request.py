"""What a conversion is asked to do, as users say it, and what that means."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from pathlib import Path

from wpconvert.errors import UsageError
from wpconvert.formats.registry import Format
from wpconvert.methods import METHODS
from wpconvert.model.changed import Values
from wpconvert.model.goal import BALANCED, BUNDLED, DEFAULT_GOAL, OPTIMIZE, RUNTIMES, Goal
from wpconvert.model.rules import AUTO, Rules
from wpconvert.model.settings import Settings
from wpconvert.target.board import board_named
from wpconvert.transforms.registry import OPTIONS, TRANSFORMS


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of a conversion; what has its default was not asked for. docs/USING.md says what each does.

    rules: a file of them. options: of methods that are transforms, by name. calibration: a file with samples to
    quantise a float `.onnx` model with.
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
    options: Values = field(default_factory=dict)
    calibration: Path | None = None

    def settings(self) -> Settings:
        """The settings. UsageError for options that are wrong or contradict each other; FileError for the rules."""
        rules = Rules(rules=[]) if self.rules is None else _loaded(self.rules)
        settings = Settings(self.method, rules)
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"--threshold {self.threshold:g}, expected a share of 0 to 1")
        for flag, nbytes in (("--flash", self.flash), ("--ram", self.ram)):
            if nbytes is not None and nbytes < 1:
                raise UsageError(f"{flag} {nbytes}, expected 1 byte or more")
        goal = self._goal(AUTO in settings.methods)
        if self.measure and goal is None:
            raise UsageError("--measure needs -m auto, or a method with --target")
        if self.measure and self.runtime != BUNDLED:
            raise UsageError(f"--measure needs the bundled runtime, not --runtime {self.runtime}")
        self._check_options(settings.methods)
        return Settings(
            self.method,
            rules,
            self.threshold,
            self.strip,
            goal,
            self.options,
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
        given = {_flag(one.name) for one in fields(self) if getattr(self, one.name) != one.default}
        others = [OPTIONS[name].flag for name in self.options if OPTIONS[name].of_device and not own.for_devices]
        for flag in (*(flag for flag in own.refuses if flag in given), *others):
            raise UsageError(f"{flag} {own.refusal}")

    def _check_options(self, methods: Collection[str]) -> None:
        """UsageError for options of transforms that there are not, that no method has, or that are wrong."""
        for name in self.options:
            if name not in OPTIONS:
                raise UsageError(f"unknown option {name!r}, expected one of {', '.join(OPTIONS)}")
            having = [method for method, one in TRANSFORMS.items() if name in (option.name for option in one.options)]
            if not set(having) & set(methods):
                method = " or ".join(having)
                raise UsageError(f"{OPTIONS[name].flag} needs -m {method}, or a rule with method {method}")
        for method in methods:
            if method in TRANSFORMS:
                TRANSFORMS[method].check(self.options)

    def _goal(self, automatic: bool) -> Goal | None:
        """What the planner is to reach; None where nothing is planned or predicted."""
        if self.optimize is not None and self.optimize not in OPTIMIZE:
            raise UsageError(f"unknown --optimize {self.optimize!r}, expected one of {', '.join(OPTIMIZE)}")
        if self.optimize is not None and not automatic:
            raise UsageError("--optimize needs -m auto, or a rule with method auto")
        if self.max_slowdown is not None and not self.max_slowdown > 0:
            raise UsageError(
                f"--max-slowdown {self.max_slowdown:g}, expected a positive factor, for example 1.1 for 10 % slower"
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
    from wpconvert.job.rules_file import load_rules  # noqa: PLC0415 - pydantic for its files alone

    return load_rules(rules)
