"""Train a dense network, the start of every weight-pool experiment."""

from __future__ import annotations

from dataclasses import dataclass

from ..data.dataset import Dataset
from ..trained import Trained, build
from ..training import Checkpoint, Observer, Selected, TrainConfig, choose_device, fit, make_deterministic


@dataclass(frozen=True)
class PretrainSettings:
    """What decides the result; each field is an option of the command."""

    network: str = "resnet-s"
    seed: int = 0
    epochs: int = 45
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    batch_size: int = 128
    precision: str = "float32"
    threads: int = 1
    device: str = "auto"


def pretrain(
    dataset: Dataset,
    settings: PretrainSettings,
    *,
    checkpoint: Checkpoint | None = None,
    observer: Observer | None = None,
) -> tuple[Trained, Selected]:
    """The trained network and its best epoch. Raises ValueError for an unknown network."""
    make_deterministic(settings.seed, settings.threads)
    classes = len(dataset.classes)
    network = build(settings.network, dataset.image_shape[2], classes)
    config = TrainConfig(
        epochs=settings.epochs,
        seed=settings.seed,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        batch_size=settings.batch_size,
        shift=dataset.shift,
        flip=dataset.flip,
        precision=settings.precision,
    )
    device = choose_device(settings.device)
    selected = fit(network, dataset, config, checkpoint=checkpoint, observer=observer, device=device)
    return Trained(settings.network, dataset.image_shape, classes, network.cpu()), selected
