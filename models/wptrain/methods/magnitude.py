"""Magnitude pruning: a gradual schedule, then fixed masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from ..networks.layers import matches
from ..settings import Settings
from .method import Entry, Method, Phase, Training


class Scope(StrEnum):
    """Where magnitudes compete: within each layer, or across all pruned layers."""

    LAYER = "layer"
    GLOBAL = "global"


@dataclass(frozen=True)
class Schedule:
    """Sparsity rises from 0 to `final` between the epochs `begin` and `end`, then stays.

    The rise is cubic (Zhu and Gupta, "To prune, or not to prune", 2017, equation 1): fast while weights are
    redundant, slow towards the end.
    """

    final: float
    begin: int
    end: int

    def sparsity(self, epoch: int) -> float:
        """The fraction of zero weights wanted in `epoch`, counted from 0."""
        if epoch >= self.end:
            return self.final
        if epoch < self.begin:
            return 0.0
        progress = (epoch + 1 - self.begin) / (self.end + 1 - self.begin)
        return self.final * (1.0 - (1.0 - progress) ** 3)


def weight_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Convolutions and linear layers by their dotted name."""
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}


def prunable_layers(network: nn.Module, dense: Sequence[str] = ()) -> dict[str, nn.Module]:
    """The layers worth pruning: linear layers and convolutions that sum over more than one input channel.

    Not those whose name, or the name of a part that they belong to, matches a pattern of `dense`.

    A filter over one channel (depthwise, or a stem on a grey-scale image) has 9 weights for a whole output
    channel: pruning it saves little and costs much.
    """
    return {
        name: module
        for name, module in weight_layers(network).items()
        if (isinstance(module, nn.Linear) or module.weight.shape[1] > 1) and not matches(name, dense)
    }


def sparsity_within(network: nn.Module, overall: float, dense: Sequence[str] = ()) -> float:
    """The sparsity that the prunable layers need so that `overall` of all weights of the network are zero.

    Raises ValueError when the layers that stay dense hold too many weights for that.
    """
    total = sum(module.weight.numel() for module in weight_layers(network).values())
    pruned = sum(module.weight.numel() for module in prunable_layers(network, dense).values())
    needed = overall * total / pruned if pruned else 1.0
    if not 0.0 <= needed < 1.0:
        raise ValueError(
            f"overall sparsity {overall}: {total - pruned} of {total} weights are never pruned, "
            f"the limit is below {pruned / total:.3f}"
        )
    return float(needed)


def magnitude_masks(weights: Mapping[str, Tensor], sparsity: float, scope: Scope) -> dict[str, Tensor]:
    """Masks of 0 and 1, shaped like `weights`, that drop the fraction `sparsity` with the smallest magnitude.

    Exact: with n weights, round(sparsity * n) are dropped, ties broken by position.
    """
    if scope is Scope.LAYER:
        return {name: _mask(weight.abs(), sparsity) for name, weight in weights.items()}
    joined = _mask(torch.cat([weight.abs().flatten() for weight in weights.values()]), sparsity)
    parts = joined.split([weight.numel() for weight in weights.values()])
    return {name: part.reshape(weights[name].shape) for name, part in zip(weights, parts, strict=True)}


def _mask(magnitude: Tensor, sparsity: float) -> Tensor:
    flat = magnitude.flatten()
    mask = torch.ones_like(flat)
    mask[torch.argsort(flat, stable=True)[: round(sparsity * flat.numel())]] = 0.0
    return mask.reshape(magnitude.shape)


class MagnitudeSettings(Settings):
    """`sparsity`: the part of all weights of convolutions and linear layers that becomes zero. `ramp`: the part of the
    epochs in which sparsity rises. `dense`: patterns of names of layers, or of parts of the network,
    that are not pruned.
    """

    sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.8
    scope: Scope = Scope.LAYER
    ramp: Annotated[float, Field(ge=0, lt=1)] = 0.5
    dense: tuple[str, ...] = ()


class Magnitude(Method):
    """Zeroes weights by magnitude and keeps them zero.

    Masks are renewed once per epoch while the schedule rises. A zeroed weight has the smallest magnitude there is, so
    it never comes back; afterwards the masks are fixed.
    """

    def __init__(self, settings: MagnitudeSettings) -> None:
        self._settings = settings
        self._layers: dict[str, nn.Module] = {}
        self._schedule = Schedule(0.0, 0, 0)
        self._masks: dict[str, Tensor] = {}

    def prepare(self, network: nn.Module, training: Training) -> None:
        self._layers = prunable_layers(network, self._settings.dense)
        final = sparsity_within(network, self._settings.sparsity, self._settings.dense)
        self._schedule = Schedule(final, begin=0, end=self._rising(training.epochs))

    def layers(self, network: nn.Module) -> tuple[str, ...]:
        del network
        return tuple(self._layers)

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        rising = self._rising(epochs)
        return Phase(rising, selectable=False), Phase(epochs - rising)

    def before_epoch(self, epoch: int) -> None:
        if epoch <= self._schedule.end:
            weights = {name: module.weight.detach() for name, module in self._layers.items()}
            self._masks = magnitude_masks(weights, self._schedule.sparsity(epoch), self._settings.scope)
        self.after_step()

    def after_step(self) -> None:
        with torch.no_grad():
            for name, mask in self._masks.items():
                self._layers[name].weight.mul_(mask)

    def state_dict(self) -> dict[str, Any]:
        return dict(self._masks)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state and state.keys() != self._layers.keys():
            raise ValueError("masks of other layers")
        self._masks = {name: mask.to(self._layers[name].weight.device) for name, mask in state.items()}

    def report(self, network: nn.Module) -> Mapping[str, str | int | float]:
        weights = [module.weight for module in weight_layers(network).values()]
        zeros = sum(int((weight == 0).sum()) for weight in weights)
        return {"zero weights": zeros / sum(weight.numel() for weight in weights)}

    def _rising(self, epochs: int) -> int:
        return int(self._settings.ramp * epochs)


ENTRY = Entry(MagnitudeSettings, Magnitude)
