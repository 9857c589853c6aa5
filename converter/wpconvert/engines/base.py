"""What every engine offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from wpconvert.graph.executable import Executable
from wpconvert.graph.types import Sample

Advance = Callable[[], None]
"""Called once for each sample done."""


Place = tuple[int, int]
"""A result of an operator of subgraph 0: the operator's index, and the place among its outputs."""


@dataclass(frozen=True)
class Trace:
    """One inference: the outputs, and by their places the values that operators computed."""

    outputs: Sample
    inner: dict[Place, NDArray[Any]]


class Engine(Protocol):
    """Something that executes models."""

    name: str

    def unsupported(self, model: Executable) -> list[str]:
        """Why the engine cannot run the model, one line each; empty when it can. ModelError for a malformed model."""

    def run(self, model: Executable, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        """Outputs for each sample. Raises UnsupportedError, ModelError, or UsageError for inputs that do not fit."""


@runtime_checkable
class TracingEngine(Engine, Protocol):
    """An engine that can tell what operators compute on the way."""

    def traces(self, model: Executable, samples: Iterable[Sample]) -> Iterator[Trace]:
        """A trace for each sample. Raises what `run` raises.

        Exact engines take a sample when its trace is asked for; others may take all of them first.
        """
