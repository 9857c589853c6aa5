"""Everything that a training changes from step to step, and that a checkpoint therefore keeps."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import DivergedError
from ..methods.method import Method
from .evaluation import distillation
from .optimisers import make_optimiser, make_schedule
from .phases import epochs_of, stretch
from .processes import Processes
from .settings import LoopSettings


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


class State:
    """`epoch` and `step` of it are the next ones; a step is one of the optimiser on the loss of a batch."""

    def __init__(
        self,
        network: nn.Module,
        steps: int,
        settings: LoopSettings,
        methods: Sequence[Method],
        teacher: nn.Module | None,
        processes: Processes,
    ) -> None:
        self.epoch = self.step = 0
        # Processes that a checkpoint was made by.
        self.earlier_world = processes.world
        self.best: Selected | None = None
        self._best_state: dict[str, Tensor] = {}
        self._network = network
        self._steps = steps
        self._settings = settings
        self._methods = methods
        self._teacher = teacher
        self._processes = processes
        self.plan = epochs_of(methods, settings.epochs)
        # Of the losses; not finite from the first one that is not.
        self._total = torch.zeros((), device=next(network.parameters()).device)
        self._start()

    def _start(self) -> None:
        """A new optimiser, schedule and average, as an epoch begins that asks for them."""
        groups = [group for method in self._methods for group in method.parameter_groups(self._network)]
        self._optimiser = make_optimiser(self._network, groups, self._settings.optimiser)
        first, last = stretch(self.plan, self.epoch)
        self._schedule = make_schedule(self._optimiser, self._settings.schedule, (last - first) * self._steps)
        self._average = (
            AveragedModel(self._network, multi_avg_fn=get_ema_multi_avg_fn(self._settings.ema))
            if self._settings.ema
            else None
        )

    def begin_epoch(self) -> None:
        """What happens before an epoch's first step; the first process decides for all."""
        if self.epoch and self.plan[self.epoch].fresh_optimiser:
            self._start()
        for method in self._methods:
            method.before_epoch(self.epoch)
            if self._processes.world > 1:
                state = method.state_dict()
                self._processes.broadcast(_tensors(state))
                method.load_state_dict(state)
        self._processes.broadcast(self._network.state_dict().values())

    def train_mode(self) -> None:
        """The network as the current epoch trains it."""
        self._network.train()
        if self.plan[self.epoch].frozen_statistics:
            for module in self._network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def take_step(self, samples: Tensor, labels: Tensor) -> None:
        """One step on a batch; with several processes, on their batches together."""
        with torch.autocast(samples.device.type, torch.bfloat16, enabled=self._settings.precision == "bfloat16"):
            logits = self._network(samples)
            taught = self._taught(samples)
        loss = functional.cross_entropy(logits.float(), labels)
        if taught is not None:
            share = self._settings.distil
            loss = (1 - share) * loss + share * distillation(logits.float(), taught)
        for method in self._methods:
            if (term := method.loss(self._network)) is not None:
                loss = loss + term
        self._optimiser.zero_grad()
        loss.backward()
        self._processes.mean_gradients(self._network)
        # Not looked at here: that would wait for the GPU in each step.
        self._total = self._total + loss.detach()
        with self._factor(self.plan[self.epoch].learning_rate):
            self._optimiser.step()
        self._schedule.step()
        for method in self._methods:
            method.after_step()
        if self._average is not None:
            self._average.update_parameters(self._network)
        self.step += 1

    @contextmanager
    def _factor(self, factor: float) -> Iterator[None]:
        """Learning rates times `factor`; the schedule does not see it."""
        rates = [group["lr"] for group in self._optimiser.param_groups]
        for group in self._optimiser.param_groups:
            group["lr"] = group["lr"] * factor
        yield
        for group, rate in zip(self._optimiser.param_groups, rates, strict=True):
            group["lr"] = rate

    def _taught(self, samples: Tensor) -> Tensor | None:
        if self._teacher is None:
            return None
        with torch.no_grad():
            return self._teacher(samples).float()

    def check_finite(self) -> None:
        """Raises DivergedError when a loss of this run was not finite."""
        if not math.isfinite(float(self._processes.sum(self._total.clone()))):
            raise DivergedError(
                f"epoch {self.epoch + 1}: the training diverged, its loss is not a finite number; train into another "
                "folder with a lower learning rate"
            )

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The network with the weights that are measured and kept: the average's, if there is one."""
        if self._average is None:
            yield
            return
        own = copy.deepcopy(self._network.state_dict())
        self._network.load_state_dict(self._average.module.state_dict())
        for method in self._methods:
            # An average of weights need not obey what each of them obeyed.
            method.after_step()
        yield
        self._network.load_state_dict(own)

    def progress(self) -> dict[str, float]:
        """Where the current epoch stands: the learning rate that its next step would have, the number of its phase."""
        rate = self._schedule.get_last_lr()[0] * self.plan[self.epoch].learning_rate
        pairs = pairwise(self.plan[: self.epoch + 1])
        begun = [new.fresh_optimiser or new != replace(old, fresh_optimiser=False) for old, new in pairs]
        return {"learning_rate": rate, "phase": 1 + sum(begun)}

    def finish_epoch(self, accuracy: float, loss: float) -> None:
        """Count the epoch as done and keep the network's weights if they are the best so far."""
        now = Selected(self.epoch, accuracy, loss)
        if self.plan[self.epoch].selectable and now.better_than(self.best):
            self.best, self._best_state = now, copy.deepcopy(self._network.state_dict())
        self.epoch, self.step = self.epoch + 1, 0

    def load_best(self) -> Selected:
        """Give the network the weights of the best epoch."""
        if self.best is None:
            raise ValueError("no epoch was selected")
        self._network.load_state_dict(self._best_state)
        self._network.eval()
        return self.best

    def state_dict(self) -> dict[str, Any]:
        return {
            "epoch": self.epoch,
            "step": self.step,
            "world": self._processes.world,
            "network": self._network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "average": self._average.state_dict() if self._average is not None else {},
            "generator": torch.get_rng_state(),
            "best": asdict(self.best) if self.best is not None else None,
            "best_state": self._best_state,
            "methods": [method.state_dict() for method in self._methods],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken. Raises one of many exceptions when it is no state of this run."""
        self.epoch, self.step, self.earlier_world = state["epoch"], state["step"], int(state["world"])
        if not (0 <= self.epoch <= len(self.plan) and 0 <= self.step < self._steps):
            raise ValueError("epoch")
        self.best = Selected(**state["best"]) if state["best"] is not None else None
        self._best_state = state["best_state"]
        if (self.best is None) == any(phase.selectable for phase in self.plan[: self.epoch]):
            raise ValueError("best")
        if self.best is not None:
            # What does not fit is found now, not after the last epoch.
            self._network.load_state_dict(self._best_state)
        self._network.load_state_dict(state["network"])
        self._restart(state)
        torch.set_rng_state(state["generator"].cpu())
        for method, kept in zip(self._methods, state["methods"], strict=True):
            method.load_state_dict(kept)

    def _restart(self, state: Mapping[str, Any]) -> None:
        # Between two epochs the optimiser is still that of the one before.
        epoch, self.epoch = self.epoch, max(0, self.epoch - (self.step == 0))
        self._start()
        self.epoch = epoch
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        average = state["average"]
        if self._average is not None:
            self._average.load_state_dict(average)


def _tensors(state: object) -> Iterator[Tensor]:
    """All tensors of a state, in its order."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, Mapping):
        for each in state.values():
            yield from _tensors(each)
    elif isinstance(state, list):
        for each in state:
            yield from _tensors(each)
