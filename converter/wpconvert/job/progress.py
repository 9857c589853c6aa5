"""How far a job is, for whoever shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Stage(Protocol):
    """A part of a job that takes steps."""

    def advance(self) -> None:
        """One step done."""

    def total(self, steps: int) -> None:
        """Set the number of steps once it is known."""


class Stages(Protocol):
    """Begins a stage with a title and a number of steps; it lasts as long as its context."""

    def __call__(self, title: str, total: int) -> AbstractContextManager[Stage]:
        """Begin one."""


class _Nobody:
    """Shows nothing."""

    def advance(self) -> None:
        """One step done."""

    def total(self, steps: int) -> None:
        """Set the number of steps."""


@contextmanager
def silent(title: str, total: int) -> Iterator[Stage]:  # noqa: ARG001 - what stages are given
    """A stage without display."""
    yield _Nobody()
