"""The samples that a job runs models on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wpconvert.engines.inputs import Inputs, Port, load_samples, random_samples
from wpconvert.errors import UsageError
from wpconvert.formats.protocol import Comparison

DEFAULT_SAMPLES = 4


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What is asked for: the file `inputs`, the file `evaluation` with labels, or `count` random samples of a seed."""

    inputs: Path | None = None
    evaluation: Path | None = None
    count: int | None = None
    seed: int = 0

    @property
    def is_default(self) -> bool:
        """Whether nothing is asked for."""
        return (self.inputs, self.evaluation, self.count) == (None, None, None)

    def inputs_for(self, comparison: Comparison) -> Inputs:
        """The samples for a comparison; random ones as it draws them. FileError, UsageError."""
        return self.read(comparison.ports(), comparison.drawn)

    def read(
        self, ports: Sequence[Port], drawn: Callable[[Sequence[Port], int, int], Inputs] = random_samples
    ) -> Inputs:
        """The samples for these inputs; `drawn` makes so many random ones of a seed. FileError, UsageError."""
        given = [("--inputs", self.inputs), ("--eval", self.evaluation), ("--random", self.count)]
        named = [name for name, value in given if value is not None]
        if len(named) > 1:
            raise UsageError(f"{named[0]} and {named[1]} exclude each other")
        for name, value, least in (("--random", self.count, 1), ("--seed", self.seed, 0)):
            if value is not None and value < least:
                raise UsageError(f"{name} {value}, expected {least} or more")
        if self.evaluation is not None:
            inputs = load_samples(self.evaluation, ports)
            if inputs.labels is None:
                raise UsageError(f"--eval {self.evaluation}: no array `labels`; use --inputs for inputs without labels")
            return inputs
        if self.inputs is not None:
            return load_samples(self.inputs, ports)
        return drawn(ports, DEFAULT_SAMPLES if self.count is None else self.count, self.seed)
