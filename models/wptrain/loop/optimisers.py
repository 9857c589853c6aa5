"""Optimisers and schedules of learning rates, from PyTorch, as a training's settings ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler

from ..methods.method import ParameterGroup
from .settings import Optimiser, Schedule


def make_optimiser(network: nn.Module, groups: Sequence[ParameterGroup], settings: Optimiser) -> torch.optim.Optimizer:
    """Over all parameters of the network, those of `groups` as these ask.

    Raises ValueError when two groups have the same parameter.
    """
    special = [id(parameter) for group in groups for parameter in group.parameters]
    if len(set(special)) < len(special):
        raise ValueError("two methods ask for a learning rate of the same parameter; leave one of them out")
    rest = [parameter for parameter in network.parameters() if id(parameter) not in set(special)]
    told: list[dict[str, Any]] = [{"params": rest}]
    for group in groups:
        decay = settings.weight_decay if group.weight_decay is None else group.weight_decay
        rate = settings.learning_rate * group.learning_rate
        told.append({"params": list(group.parameters), "lr": rate, "weight_decay": decay})
    common = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.name == "adamw":
        return torch.optim.AdamW(told, **common)
    return torch.optim.SGD(told, momentum=settings.momentum, nesterov=settings.momentum > 0, **common)


def make_schedule(
    optimiser: torch.optim.Optimizer, settings: Schedule, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """For a training of `steps` steps."""
    rising = min(round(settings.warm_up * steps), steps - 1)
    main: lr_scheduler.LRScheduler
    if settings.name == "cosine":
        main = lr_scheduler.CosineAnnealingLR(optimiser, steps - rising)
    elif settings.name == "step":
        places = sorted(round(share * steps) - rising for share in settings.milestones)
        main = lr_scheduler.MultiStepLR(optimiser, places, settings.factor)
    else:
        main = lr_scheduler.ConstantLR(optimiser, 1.0, 0)
    if rising == 0:
        return main
    # The first step has a learning rate above 0.
    ramp = lr_scheduler.LinearLR(optimiser, 1 / (rising + 1), total_iters=rising)
    return lr_scheduler.SequentialLR(optimiser, [ramp, main], [rising])
