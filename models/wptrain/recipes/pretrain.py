"""Train a dense network, the start of every weight-pool experiment."""

from __future__ import annotations

from dataclasses import dataclass

from ..data.module import DataModule
from ..loop.trainer import Checkpoint, Observer, Selected, TrainSettings, choose_device, fit, make_deterministic
from ..trained import Trained, build


@dataclass(frozen=True)
class PretrainSettings(TrainSettings):
    """What decides the result; each field is an option of the command."""

    network: str = "resnet-s"


def pretrain(
    data: DataModule,
    settings: PretrainSettings,
    *,
    checkpoint: Checkpoint | None = None,
    observer: Observer | None = None,
) -> tuple[Trained, Selected]:
    """The trained network and its best epoch. Raises ValueError for an unknown network."""
    make_deterministic(settings.seed, settings.threads)
    classes = len(data.classes)
    network = build(settings.network, data.sample_shape[2], classes)
    device = choose_device(settings.device)
    selected = fit(network, data, settings.config(), checkpoint=checkpoint, observer=observer, device=device)
    return Trained(settings.network, data.sample_shape, classes, network.cpu()), selected
