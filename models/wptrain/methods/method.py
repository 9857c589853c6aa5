"""What a method is: something that changes weights, layers or the loss during a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from ..data.module import DataModule
from ..quantise.integers import IntegerLayer
from ..settings import Settings, checked


@dataclass(frozen=True)
class Phase:
    """Some epochs of a training.

    `fresh_optimiser`: they start with a new optimiser and a schedule of their own. `learning_rate` multiplies that of
    the schedule. `frozen_statistics`: batch normalisations keep their running statistics, and use them.
    `selectable`: one of these epochs may be the one whose weights are kept.
    """

    epochs: int
    fresh_optimiser: bool = False
    learning_rate: float = 1.0
    frozen_statistics: bool = False
    selectable: bool = True


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with a learning rate of their own, a multiple of the others', or a weight decay; None: as others."""

    parameters: tuple[nn.Parameter, ...]
    learning_rate: float = 1.0
    weight_decay: float | None = None


@dataclass(frozen=True)
class Training:
    """What a method is told of the training that it takes part in."""

    seed: int
    epochs: int


class Method:
    """A way to train: subclasses define what they need, the rest does nothing.

    Several methods can share a training; each function is called in the order in which they are listed. Everything
    that a method decides must follow from its settings, the training's seed, the network and its own state: then a
    training that continues, and every process of a distributed one, decides the same.
    """

    def choose(self, network: nn.Module, data: DataModule, seed: int) -> Mapping[str, object]:
        """Settings that are found by measuring a network before any method prepares it, by name; the others stay.

        A method with the settings found does not choose again. They are kept in checkpoints and with the network, so
        they must be what JSON has. The network stays as it is.
        """
        return {}

    def attach(self, network: nn.Module) -> None:
        """Give a new network the structure that a trained one has, in place, so that its state can be loaded."""

    def prepare(self, network: nn.Module, training: Training) -> None:
        """Make a network ready for training, in place: parametrise weights, replace layers, make masks.

        Raises ValueError when the method cannot be used with this network.
        """
        self.attach(network)

    def layers(self, network: nn.Module) -> tuple[str, ...]:
        """Layers of a prepared network whose weights this method decides; no two methods may decide the same."""
        return ()

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        """How the training goes; the epochs add up to `epochs`."""
        return (Phase(epochs),)

    def parameter_groups(self, network: nn.Module) -> Sequence[ParameterGroup]:
        """Parameters that are optimised in another way than the others."""
        return ()

    def loss(self, network: nn.Module) -> Tensor | None:
        """A term of the loss, a scalar; None: none."""
        return None

    def before_epoch(self, epoch: int) -> None:
        """Called before each epoch, counted from 0."""

    def after_step(self) -> None:
        """Called after each step of the optimiser and before each measurement: what weights must obey, they do now."""

    def state_dict(self) -> dict[str, Any]:
        """What a training that continues needs besides the network: tensors, numbers, texts, and dicts and lists."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken."""

    def finish(self, network: nn.Module) -> Mapping[str, IntegerLayer]:
        """The exact integers of layers of a trained network, by name; empty: the exporter quantises.

        Called without `prepare` before. Raises ValueError when the network is not one that the method trained.
        """
        return {}

    def report(self, network: nn.Module) -> Mapping[str, str | int | float]:
        """What to say of a trained network, by name."""
        return {}


Chosen = TypeVar("Chosen", bound=Settings)


@dataclass(frozen=True)
class Entry(Generic[Chosen]):
    """A method in the registry. `commands`: the module whose COMMANDS are functions for Typer; None: it has none."""

    settings: type[Chosen]
    make: Callable[[Chosen], Method]
    commands: str | None = None

    def check(self, given: Mapping[str, object], where: str) -> Chosen:
        """The method's settings. Raises UsageError, which names `where`."""
        return checked(self.settings, given, where)

    def open(self, given: Mapping[str, object], where: str) -> Method:
        """The method with these settings. Raises as `check` does."""
        return self.make(self.check(given, where))
