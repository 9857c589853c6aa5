"""The training loop: seeded, single-device, the best epoch chosen on the validation split."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from .data.dataset import Dataset, Split

_log = logging.getLogger(__name__)


class Hook(Protocol):
    """Something that acts on the weights during training: pruning, weight pools, …"""

    def before_epoch(self, epoch: int) -> None: ...

    def after_step(self) -> None: ...


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    `shift` moves each training image by up to that many pixels; `select_from` is the first epoch that may be
    chosen, so that a pruning run cannot choose an epoch before its final sparsity.
    """

    epochs: int
    seed: int
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    batch_size: int = 32
    shift: int = 1
    select_from: int = 0


@dataclass(frozen=True)
class Selected:
    """The epoch whose weights the network has after training."""

    epoch: int
    validation_accuracy: float
    validation_loss: float


def make_deterministic(seed: int, threads: int) -> None:
    """Seed PyTorch and restrict it to deterministic algorithms on `threads` threads."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads)


def to_torch(split: Split) -> tuple[Tensor, Tensor]:
    """Images as [n, channels, height, width], and labels."""
    images = torch.from_numpy(split.real()).permute(0, 3, 1, 2).contiguous()
    return images, torch.from_numpy(split.labels)


def evaluate(network: nn.Module, split: Split) -> tuple[float, float]:
    """Top-1 accuracy in [0, 1] and mean cross-entropy of the float network."""
    images, labels = to_torch(split)
    network.eval()
    with torch.no_grad():
        logits = network(images)
        loss = functional.cross_entropy(logits, labels)
        correct = (logits.argmax(dim=1) == labels).sum()
    return int(correct) / len(split), float(loss)


def fit(network: nn.Module, dataset: Dataset, config: TrainConfig, hook: Hook | None = None) -> Selected:
    """Train `network` in place with AdamW and a cosine schedule; leave it with the weights of the best epoch.

    Best is the highest validation accuracy, then the lowest validation loss. The test split is not read.

    Raises ValueError when no epoch may be selected.
    """
    if config.select_from >= config.epochs:
        raise ValueError(f"select_from {config.select_from}: must be below epochs {config.epochs}")
    generator = torch.Generator().manual_seed(config.seed)
    images, labels = to_torch(dataset.train)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    steps = config.epochs * -(-len(images) // config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    best: Selected | None = None
    best_state: dict[str, Tensor] = {}
    for epoch in range(config.epochs):
        if hook is not None:
            hook.before_epoch(epoch)
        network.train()
        for batch in torch.randperm(len(images), generator=generator).split(config.batch_size):
            logits = network(_shifted(images[batch], config.shift, generator))
            loss = functional.cross_entropy(logits, labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            if hook is not None:
                hook.after_step()
        accuracy, validation_loss = evaluate(network, dataset.validation)
        _log.info("epoch %d: validation accuracy %.4f, loss %.4f", epoch, accuracy, validation_loss)
        if epoch < config.select_from:
            continue
        if best is None or (accuracy, -validation_loss) > (best.validation_accuracy, -best.validation_loss):
            best = Selected(epoch, accuracy, validation_loss)
            best_state = copy.deepcopy(network.state_dict())
    assert best is not None
    network.load_state_dict(best_state)
    network.eval()
    return best


def _shifted(images: Tensor, shift: int, generator: torch.Generator) -> Tensor:
    """Each image moved by its own random offset of at most `shift` pixels; what comes in is 0."""
    if shift == 0:
        return images
    height, width = images.shape[-2:]
    padded = functional.pad(images, (shift, shift, shift, shift))
    offsets = torch.randint(0, 2 * shift + 1, (len(images), 2), generator=generator)
    rows = offsets[:, :1] + torch.arange(height)
    columns = offsets[:, 1:] + torch.arange(width)
    sample = torch.arange(len(images))[:, None, None]
    # The channel axis sits between two index axes, so advanced indexing moves it to the end.
    return padded[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
