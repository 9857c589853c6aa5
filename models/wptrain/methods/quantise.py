"""Quantisation in training: the network computes as its int8 model will; see `quantise.program`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from torch import nn

from ..quantise import program
from ..quantise.integers import IntegerLayer
from ..settings import Settings
from .method import Entry, Method, Phase, Training


class QuantiseSettings(Settings):
    """`bits`: of activations that follow a ReLU, other tensors have 8. `power_of_two`: all scales are.

    `observe`: the part of the epochs, the first one in any case, in which the ranges of activations and the statistics
    of batch normalisations move; then they are frozen.
    """

    bits: Annotated[int, Field(ge=1, le=8)] = 8
    power_of_two: bool = False
    observe: Annotated[float, Field(ge=0, le=1)] = 0.5


class Quantise(Method):
    """Follows methods that change weights: theirs are what it rounds, and integers of theirs stay as they are."""

    def __init__(self, settings: QuantiseSettings) -> None:
        self._settings = settings
        self._network = nn.Module()
        self._observed = 0
        self._observing = True

    def attach(self, network: nn.Module) -> None:
        program.attach(network, bits=self._settings.bits, power_of_two=self._settings.power_of_two)

    def prepare(self, network: nn.Module, training: Training) -> None:
        self.attach(network)
        self._network = network
        self._observed = self._first_phase(training.epochs)

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        first = self._first_phase(epochs)
        return (Phase(first), Phase(epochs - first, frozen_statistics=True))

    def before_epoch(self, epoch: int) -> None:
        self._observe(epoch < self._observed)

    def state_dict(self) -> dict[str, Any]:
        return {"observing": self._observing}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._observe(bool(state["observing"]))

    def finish(self, network: nn.Module) -> Mapping[str, IntegerLayer]:
        return program.integer_layers(network)

    def report(self, network: nn.Module) -> Mapping[str, str | int | float]:
        del network
        scales = "powers of two" if self._settings.power_of_two else "any"
        return {"activation bits": self._settings.bits, "scales": scales}

    def _observe(self, wanted: bool) -> None:
        self._observing = wanted
        program.observe(self._network, wanted)

    def _first_phase(self, epochs: int) -> int:
        return max(1, math.ceil(self._settings.observe * epochs))


ENTRY = Entry(QuantiseSettings, Quantise)
