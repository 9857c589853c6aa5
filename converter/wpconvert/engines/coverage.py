"""Which channels of a model's tensors samples exercise: what never varies, or is clamped always, proves nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.engines.base import Place
from wpconvert.graph.executable import Executable
from wpconvert.graph.types import Sample

_Values = NDArray[Any]
_CLAMPED_NBYTES = 2
"""Types of so many bytes hold activations, which operators clamp."""


@dataclass(frozen=True)
class _Seen:
    """The values of a tensor so far, by element: least and largest of those that are not clamped; none, low > high."""

    low: _Values
    high: _Values
    samples: int

    @classmethod
    def from_values(cls, values: _Values) -> _Seen:
        return cls(*_unclamped(values), 1)

    def with_values(self, values: _Values) -> _Seen:
        low, high = _unclamped(values)
        # Infinities and NaNs are values like others.
        with np.errstate(invalid="ignore"):
            return _Seen(np.minimum(self.low, low), np.maximum(self.high, high), self.samples + 1)

    @property
    def reached(self) -> NDArray[np.bool_]:
        """bool[channels]: one value that is not clamped."""
        return _any_of_channels(self.low <= self.high)

    @property
    def exercised(self) -> NDArray[np.bool_]:
        """bool[channels]: several in one element, or where there is one sample, one."""
        return self.reached if self.samples == 1 else _any_of_channels(self.low < self.high)


def _any_of_channels(elements: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(elements.reshape(-1, elements.shape[-1] if elements.ndim else 1).any(axis=0))


def _unclamped(values: _Values) -> tuple[_Values, _Values]:
    """The values twice; instead of those that are clamped, the largest of the type, then the least."""
    if values.dtype.kind not in "iu" or values.itemsize > _CLAMPED_NBYTES:
        return values, values
    info = np.iinfo(values.dtype)
    inside = (values > info.min) & (values < info.max)
    return np.where(inside, values, info.max), np.where(inside, values, info.min)


@dataclass(frozen=True)
class Coverage:
    """What the samples so far exercise, by place; a tensor whose shape changes with its values is left out."""

    seen: Mapping[Place, _Seen] = field(default_factory=dict)

    def with_sample(self, inner: Mapping[Place, _Values]) -> Coverage:
        """The coverage with one sample more."""
        if not self.seen:
            return Coverage({place: _Seen.from_values(values) for place, values in inner.items() if values.size})
        return Coverage(
            {
                place: seen.with_values(inner[place])
                for place, seen in self.seen.items()
                if place in inner and inner[place].shape == seen.low.shape
            }
        )

    def exercised(self, place: Place) -> NDArray[np.bool_]:
        """bool[channels]; no channels where nothing was seen."""
        return self.seen[place].exercised if place in self.seen else np.zeros(0, np.bool_)

    def progress(self, place: Place) -> int:
        """A number that grows with what is exercised, and before that with what is reached at all."""
        seen = self.seen.get(place)
        return 0 if seen is None else int(seen.reached.sum()) + int(seen.exercised.sum())


def unexercised_outputs(names: Sequence[str], samples: Sequence[Sample]) -> tuple[str, ...]:
    """The outputs of which no element is exercised, given a model's outputs for each sample."""
    coverage = Coverage()
    for sample in samples:
        coverage = coverage.with_sample({(index, 0): value for index, value in enumerate(sample)})
    nothing = (not coverage.exercised(place).any() for place in coverage.seen)
    return tuple(names[index] or "output" for (index, _), still in zip(coverage.seen, nothing, strict=True) if still)


def places_of(model: Executable) -> dict[Place, int]:
    """Where operators of subgraph 0 compute something from the model's inputs, and the tensors that it becomes."""
    main = model.graph.main
    varying = {tensor.index for tensor in main.inputs}
    places = {}
    for operator in main.operators:
        if operator.kind != "SHAPE" and any(
            tensor.index in varying for tensor in operator.inputs if tensor is not None
        ):
            for position, tensor in enumerate(operator.outputs):
                varying.add(tensor.index)
                places[operator.index, position] = tensor.index
    return places
