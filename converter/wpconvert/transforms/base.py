"""What a transform offers: a lossy step between a model's weights and a codec. A method is a codec, or a transform and
the codec that stores what it makes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import Side
from wpconvert.errors import UsageError
from wpconvert.graph.executable import Executable
from wpconvert.model.changed import Changed, Values
from wpconvert.model.noise import snr_db
from wpconvert.model.rules import Choice, shared
from wpconvert.model.weight import Rewritable, obstacle_of

# What a restored model needs of a channel with a scale of its own: scale and bias.
_CHANNEL_NBYTES = 8


@dataclass(frozen=True)
class Option:
    """An option of a transform. default: what help says of it. low, high: bounds of a number; words: what else it is.

    of_rules: whether a rule may give it too. of_device: whether only models for devices have it.
    """

    name: str
    metavar: str
    help: str
    low: int | None = None
    high: int | None = None
    words: tuple[int | str, ...] = ()
    of_rules: bool = False
    of_device: bool = False

    @property
    def flag(self) -> str:
        """On the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def is_text(self) -> bool:
        """Whether it is no number."""
        return any(isinstance(word, str) for word in self.words)

    def check(self, value: int | str) -> None:
        """UsageError for a value that it cannot have."""
        if self.words and value not in self.words:
            raise UsageError(f"unknown {self.flag} {value}, expected one of {', '.join(map(str, self.words))}")
        if not self.is_text and not isinstance(value, int):
            raise UsageError(f"{self.flag} {value!r}, expected a whole number")
        if isinstance(value, int) and not (self.low or value) <= value <= (self.high or value):
            raise UsageError(f"{self.flag} {value}, expected {self.low} to {self.high}")


@dataclass(frozen=True)
class Field:
    """A number in a report. title: of its column in tables, None for one that only files have."""

    name: str
    title: str | None = None


@dataclass(frozen=True)
class Change:
    """A weight's new values, int8[channels, …], and scales, float32[channels]."""

    key: str
    values: NDArray[np.int8]
    scales: NDArray[np.float32]


class DenseModel(Protocol):
    """A dense model, as a file format has it, whose weights can be changed."""

    def copy(self) -> DenseModel:
        """One that can be changed by itself."""

    def executable(self) -> Executable:
        """The model as it is now, as engines take it."""

    def grouped(self, key: str) -> bool:
        """Whether an operator multiplies a part of its input's channels with each of the weight's rows."""

    def scales(self, key: str) -> NDArray[np.float32]:
        """Of a weight that can be rewritten, float32[channels] or [1]."""

    def values(self) -> Mapping[str, NDArray[np.int8]]:
        """Of the weights that can be rewritten, by key."""

    def put(self, changes: Sequence[Change]) -> str | None:
        """Put changed weights, which share their bytes, in their place; or why that cannot be."""


@dataclass
class Applied:
    """What became of the weights that a transform was to change, by key: what it made of them, or the reason why it
    left them. notes: for the user.
    """

    changed: dict[str, Changed] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Transform(ABC):
    """A lossy step."""

    name: ClassVar[str]
    """The method."""
    summary: ClassVar[str]
    codec: ClassVar[str | None]
    """What stores its weights; None for whatever stores each in the fewest bytes."""
    loss: ClassVar[str] = "lossy"
    options: ClassVar[tuple[Option, ...]] = ()
    fields: ClassVar[tuple[Field, ...]] = ()
    """Numbers of its weights in reports."""
    not_worth: ClassVar[str] = "would not shrink: blobs save {saved:,} bytes, their side data takes {side:,}"

    def check(self, options: Values) -> None:
        """UsageError for options that are wrong or contradict each other."""
        for option in self.options:
            if option.name in options:
                option.check(options[option.name])

    def preferred(self, choices: Sequence[Choice]) -> list[Choice]:
        """The choices, without weights that it leaves as they are unless a rule asks for them."""
        return list(choices)

    def side_for(self, values: NDArray[np.int8]) -> Side | None:  # noqa: ARG002 - what some transforms need
        """The side data with which the codec stores int8 values of any shape exactly; ModelError where none does."""
        return None

    def changed_by(self, side: Side) -> Changed:
        """What there is to say of a weight that the codec stores with this side data."""
        return Changed(self.name, side)

    @abstractmethod
    def apply(self, model: DenseModel, choices: Sequence[Choice], options: Values) -> Applied:
        """Change the weights whose choice is this method, in place; the same for the same model and options.

        Weights that share their bytes are changed alike or not at all.
        """


class PerWeight(Transform):
    """A lossy step that changes each weight by itself."""

    operators: ClassVar[tuple[str, ...]] = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    """Whose weights it changes."""

    @abstractmethod
    def values_of(self, values: NDArray[np.int8], options: Values) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        """New values for int8[rows, …] in the same shape, and what to multiply the scales of the rows with."""

    def apply(self, model: DenseModel, choices: Sequence[Choice], options: Values) -> Applied:
        """Change the weights that are chosen, in place."""
        result = Applied()
        for sharing in shared(choices):
            chosen = [choice for choice in sharing if choice.method == self.name]
            if not chosen:
                continue
            reason = self.obstacle(sharing) or self._put(model, chosen, options, result)
            if reason is not None:
                result.reasons |= {choice.weight.key: reason for choice in chosen}
        return result

    def _put(self, model: DenseModel, chosen: Sequence[Choice], options: Values, result: Applied) -> str | None:
        members = [choice.weight for choice in chosen if isinstance(choice.weight, Rewritable)]
        asked = {**options, **chosen[0].options}
        own = {one.name: asked[one.name] for one in self.options if one.of_rules and one.name in asked}
        before, scales = members[0].values, {weight.key: model.scales(weight.key) for weight in members}
        # Channels come last where there is one filter for each.
        axis = 0 if scales[members[0].key].size in (1, len(before)) else before.ndim - 1
        rows = np.moveaxis(before, axis, 0)
        values, factors = self.values_of(rows, asked)
        after = np.ascontiguousarray(np.moveaxis(values, 0, axis))
        changes = [Change(w.key, after, (scales[w.key] * factors).astype(np.float32)) for w in members]
        reason = model.put(changes)
        same = np.array_equal(rows, values) and bool((factors == 1).all())
        for change in changes if reason is None else ():
            snr = weights_snr(rows, scales[change.key], values, change.scales)
            details = {one.name: int(own[one.name]) for one in self.fields if one.name in own}
            result.changed[change.key] = Changed(
                self.name,
                snr_db=None if same else snr,
                options=own,
                details=details,
                nbytes=_CHANNEL_NBYTES * len(change.scales) if (factors != 1).any() else 0,
            )
        return reason

    def obstacle(self, sharing: Sequence[Choice]) -> str | None:
        """Why weights that share their bytes, some of which are chosen, cannot be changed alike."""
        for choice in sharing:
            if choice.method != self.name:
                return f"shares its data with {choice.weight.label}, which is not changed the same way"
            if (obstacle := obstacle_of(choice.weight)) is not None:
                return obstacle
            if choice.weight.shape != sharing[0].weight.shape or choice.options != sharing[0].options:
                return f"shares its data with {sharing[0].weight.label}, which is not changed the same way"
            for name in choice.weight.operators:
                if name not in self.operators:
                    return f"weights of {name} cannot be changed"
        return None


def weights_snr(
    values: NDArray[np.int8],
    scales: NDArray[np.floating],
    changed: NDArray[np.int8],
    changed_scales: NDArray[np.floating],
) -> float:
    """Signal-to-noise ratio of changed weights, real numbers, in decibels; int8[channels, …], scales of channels."""
    signal, noise = 0.0, 0.0
    rows = (np.broadcast_to(np.asarray(each, np.float64), len(values)) for each in (scales, changed_scales))
    for w, p, s, t in zip(values, changed, *rows, strict=True):
        signal += float(np.square(w * s).sum())
        noise += float(np.square(w * s - p * t).sum())
    return snr_db(signal, noise)
