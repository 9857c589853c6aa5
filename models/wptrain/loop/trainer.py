"""The training loop: seeded, single-device, resumable, the best epoch chosen on the validation split."""

from __future__ import annotations

import copy
import logging
import math
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..data import ahead
from ..data.draws import Key
from ..data.module import DataModule, SplitName
from ..errors import DivergedError

EVALUATION_BATCH = 1000
# Numbers of a batch that is evaluated: large samples come in smaller batches.
_LARGEST_BATCH = 1 << 24
PRECISIONS = ("float32", "bfloat16")
# Of the teacher's and the network's logits; soft enough to show what the wrong classes have in common with the image.
_TEMPERATURE = 4.0
_log = logging.getLogger(__name__)


class Hook(Protocol):
    """Something that acts on the weights during training: pruning, weight pools, …

    The state is what a resumed run needs besides the network's own parameters and buffers.
    """

    def before_epoch(self, epoch: int) -> None: ...

    def after_step(self) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Observer(Protocol):
    """Something that watches: a progress bar, a log of metrics."""

    def start(self, epoch: int, steps: int) -> None: ...

    def step(self) -> None: ...

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None: ...


class Checkpoint(Protocol):
    """Where the state of a run is kept between epochs.

    `load` gives None when nothing was kept; `malformed` is what to raise when the state is not one of this run.
    """

    def load(self) -> dict[str, Any] | None: ...

    def malformed(self) -> Exception: ...

    def save(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    `select_from` is the first epoch that may be chosen, so that a pruning run cannot choose an epoch before its
    final sparsity. `distil`: the teacher's share of the loss, 0 to 1. `precision`: of the network's operators in
    training, a name in PRECISIONS.
    """

    epochs: int
    seed: int
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    batch_size: int = 32
    select_from: int = 0
    distil: float = 0.0
    precision: str = "float32"


@dataclass(frozen=True)
class TrainSettings:
    """What every training of the command line can be told."""

    seed: int = 0
    epochs: int = 45
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    batch_size: int = 128
    precision: str = "float32"
    threads: int = 1
    device: str = "auto"

    def config(self, distil: float = 0.0) -> TrainConfig:
        """A run with these settings."""
        return TrainConfig(
            epochs=self.epochs,
            seed=self.seed,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            distil=distil,
            precision=self.precision,
        )


@dataclass(frozen=True)
class Selected:
    """The epoch whose weights the network has after training."""

    epoch: int
    validation_accuracy: float
    validation_loss: float

    def better_than(self, other: Selected | None) -> bool:
        """Higher validation accuracy, or the same with lower validation loss."""
        if other is None or self.validation_accuracy > other.validation_accuracy:
            return True
        return self.validation_accuracy == other.validation_accuracy and self.validation_loss < other.validation_loss


def choose_device(name: str) -> torch.device:
    """`cpu`, `cuda`, … as PyTorch names it; `auto` is a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def make_deterministic(seed: int, threads: int) -> None:
    """Seed PyTorch and restrict it to deterministic algorithms on `threads` threads."""
    # cuBLAS is deterministic only with a workspace of fixed size, read when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads)


def to_torch(samples: NDArray[np.float32], device: torch.device) -> Tensor:
    """Samples [n, height, width, channels] as [n, channels, height, width], stored with the channels last."""
    return torch.from_numpy(samples).permute(0, 3, 1, 2).to(device)


def evaluate(network: nn.Module, data: DataModule, split: SplitName) -> tuple[float, float]:
    """Top-1 accuracy in [0, 1] and mean cross-entropy of the float network, on the device where it is."""
    device = next(network.parameters()).device
    size = len(data.labels(split))
    step = max(1, min(EVALUATION_BATCH, _LARGEST_BATCH // math.prod(data.sample_shape)))
    network.eval()
    correct, loss = 0, 0.0
    with torch.no_grad():
        for start in range(0, size, step):
            samples, labels = data.batch(split, np.arange(start, min(start + step, size)))
            target = torch.from_numpy(labels).to(device)
            logits = network(to_torch(samples, device))
            loss += float(functional.cross_entropy(logits, target)) * len(target)
            correct += int((logits.argmax(dim=1) == target).sum())
    return correct / size, loss / size


def distillation(logits: Tensor, taught: Tensor) -> Tensor:
    """The loss of Hinton et al. (arXiv 1503.02531): how far softened logits [n, classes] are from the teacher's."""
    soft, goal = (functional.log_softmax(each / _TEMPERATURE, dim=1) for each in (logits, taught))
    return _TEMPERATURE**2 * functional.kl_div(soft, goal, reduction="batchmean", log_target=True)


def fit(
    network: nn.Module,
    data: DataModule,
    config: TrainConfig,
    hook: Hook | None = None,
    *,
    teacher: nn.Module | None = None,
    checkpoint: Checkpoint | None = None,
    observer: Observer | None = None,
    device: torch.device | None = None,
) -> Selected:
    """Train `network` in place with AdamW and a cosine schedule; leave it with the weights of the best epoch.

    Best is the highest validation accuracy, then the lowest validation loss. The test split is not read. A run
    that continues from a checkpoint ends with the same weights as one that was never interrupted.

    `teacher` is a trained network, which `config.distil` needs.

    Raises ValueError when no epoch may be selected, or for settings out of their ranges; DivergedError when the loss
    is not finite, before the epoch's checkpoint is saved.
    """
    if config.select_from >= config.epochs:
        raise ValueError(f"select_from {config.select_from}: must be below epochs {config.epochs}")
    if config.precision not in PRECISIONS:
        raise ValueError(f"precision {config.precision}: expected one of {', '.join(PRECISIONS)}")
    if not 0 <= config.distil <= 1 or (config.distil > 0 and teacher is None):
        raise ValueError(f"distil {config.distil:g}: expected 0 to 1, and a teacher above 0")
    device = device or torch.device("cpu")
    network.to(device)
    size = len(data.labels("train"))
    run = _Run(network, size, config, hook, teacher)
    if checkpoint is not None and (kept := checkpoint.load()) is not None:
        try:
            run.load_state_dict(kept)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
            # PyTorch has no exception of its own for a state that does not fit.
            raise checkpoint.malformed() from error
    for epoch in range(run.epoch, config.epochs):
        batches = torch.randperm(size, generator=run.generator).split(config.batch_size)
        if hook is not None:
            hook.before_epoch(epoch)
        if observer is not None:
            observer.start(epoch, len(batches))
        network.train()
        parts = [batch.numpy() for batch in batches]
        with closing(ahead.batches(data, "train", parts, Key(config.seed, epoch))) as made:
            for samples, labels in made:
                run.step(to_torch(samples, device), torch.from_numpy(labels).to(device))
                if hook is not None:
                    hook.after_step()
                if observer is not None:
                    observer.step()
        run.check_finite(epoch)
        accuracy, loss = evaluate(network, data, "validation")
        _log.info("epoch %d: validation accuracy %.4f, loss %.4f", epoch, accuracy, loss)
        run.finish(epoch, accuracy, loss)
        if observer is not None:
            observer.epoch(epoch, {"validation_accuracy": accuracy, "validation_loss": loss})
        if checkpoint is not None:
            checkpoint.save(run.state_dict())
    assert run.best is not None
    network.load_state_dict(run.best_state)
    network.eval()
    return run.best


class _Run:
    """Everything that a training run changes from step to step, and that a checkpoint therefore keeps."""

    def __init__(
        self, network: nn.Module, images: int, config: TrainConfig, hook: Hook | None, teacher: nn.Module | None
    ) -> None:
        self.generator = torch.Generator().manual_seed(config.seed)
        self.epoch = 0
        self.best: Selected | None = None
        self.best_state: dict[str, Tensor] = {}
        # Of the losses; not finite from the first one that is not.
        self._total = torch.zeros(())
        self._network = network
        self._hook = hook
        self._teacher = copy.deepcopy(teacher).eval() if teacher is not None and config.distil else None
        self._config = config
        self._optimiser = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        steps = config.epochs * -(-images // config.batch_size)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimiser, steps)

    def step(self, images: Tensor, labels: Tensor) -> None:
        """One step of the optimiser on the loss of a batch."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._config.precision == "bfloat16"):
            logits = self._network(images)
            taught = self._taught(images)
        loss = functional.cross_entropy(logits.float(), labels)
        if taught is not None:
            loss = (1 - self._config.distil) * loss + self._config.distil * distillation(logits.float(), taught)
        self._optimiser.zero_grad()
        loss.backward()
        # Not looked at here: that would wait for the GPU in each step.
        self._total = self._total + loss.detach()
        self._optimiser.step()
        self._schedule.step()

    def check_finite(self, epoch: int) -> None:
        """Raises DivergedError when a loss of this run was not finite."""
        if not math.isfinite(float(self._total)):
            raise DivergedError(
                f"epoch {epoch + 1}: the training diverged, its loss is not a finite number; train into another folder "
                "with a lower --learning-rate"
            )

    def _taught(self, images: Tensor) -> Tensor | None:
        if self._teacher is None:
            return None
        with torch.no_grad():
            return self._teacher.to(images.device)(images).float()

    def finish(self, epoch: int, accuracy: float, loss: float) -> None:
        """Count `epoch` as done and keep its weights if they are the best so far."""
        self.epoch = epoch + 1
        now = Selected(epoch, accuracy, loss)
        if epoch >= self._config.select_from and now.better_than(self.best):
            self.best, self.best_state = now, copy.deepcopy(self._network.state_dict())

    def state_dict(self) -> dict[str, Any]:
        return {
            "epoch": self.epoch,
            "network": self._network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "generator": self.generator.get_state(),
            "best": asdict(self.best) if self.best is not None else None,
            "best_state": self.best_state,
            "hook": self._hook.state_dict() if self._hook is not None else {},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken. Raises one of many exceptions when it is no state of this run."""
        self.epoch = state["epoch"]
        self.best = Selected(**state["best"]) if state["best"] is not None else None
        self.best_state = state["best_state"]
        if (self.best is None) != (self.epoch <= self._config.select_from):
            raise ValueError("best")
        if self.best is not None:
            # What does not fit is found now, not after the last epoch.
            self._network.load_state_dict(self.best_state)
        self._network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["generator"].cpu())
        if self._hook is not None:
            self._hook.load_state_dict(state["hook"])
