"""What every engine offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from wpconvert.tflite.model import TfliteModel

Sample = list[NDArray[Any]]
"""One value per input (or output) of subgraph 0, in order."""

Advance = Callable[[], None]
"""Called once for each sample done."""


class Engine(Protocol):
    """Something that executes models."""

    name: str
    summary: str

    def unsupported(self, model: TfliteModel) -> list[str]:
        """Why the engine cannot run the model, one line each; empty when it can. ModelError for a malformed model."""

    def run(self, model: TfliteModel, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        """Outputs for each sample. Raises UnsupportedError, ModelError, or UsageError for inputs that do not fit."""
