"""The phases of several methods, put together: what holds in each epoch."""

from __future__ import annotations

from collections.abc import Sequence

from ..methods.method import Method, Phase


def epochs_of(methods: Sequence[Method], epochs: int) -> tuple[Phase, ...]:
    """One phase of one epoch for each epoch: each method's wish holds, factors are multiplied.

    Raises ValueError when a method's phases do not add up to `epochs`, or no epoch may be selected.
    """
    found = [Phase(1) for _ in range(epochs)]
    for method in methods:
        single = [
            Phase(
                1,
                phase.fresh_optimiser and index == 0,
                phase.learning_rate,
                phase.frozen_statistics,
                phase.selectable,
            )
            for phase in method.phases(epochs)
            for index in range(phase.epochs)
        ]
        if len(single) != epochs:
            raise ValueError(f"{type(method).__name__}: phases of {len(single)} epochs, the training has {epochs}")
        found = [
            Phase(
                1,
                first.fresh_optimiser or second.fresh_optimiser,
                first.learning_rate * second.learning_rate,
                first.frozen_statistics or second.frozen_statistics,
                first.selectable and second.selectable,
            )
            for first, second in zip(found, single, strict=True)
        ]
    if not any(phase.selectable for phase in found):
        raise ValueError(f"{epochs} epochs: too few, none of them may be selected")
    return tuple(found)


def stretch(plan: Sequence[Phase], epoch: int) -> tuple[int, int]:
    """The first epoch and the one after the last of those that share an optimiser with `epoch`."""
    first = max((index for index in range(epoch + 1) if plan[index].fresh_optimiser), default=0)
    after = (index for index in range(epoch + 1, len(plan)) if plan[index].fresh_optimiser)
    return first, next(after, len(plan))
