"""Batch normalisation over the samples of all processes; PyTorch's own needs a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, autograd, nn
from torch.nn import functional

from .processes import Processes


class _Sum(autograd.Function):  # type: ignore[misc]
    """The sum over all processes, and of their gradients."""

    @staticmethod
    def forward(context: Any, x: Tensor, processes: Processes) -> Tensor:
        context.processes = processes
        return processes.sum(x.clone())

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return context.processes.sum(gradient.clone()), None


@dataclass
class _Forward:
    """In place of a batch normalisation's own method; each process has as many samples."""

    module: nn.Module
    processes: Processes

    def __call__(self, x: Tensor) -> Tensor:
        module = self.module
        if not module.training:
            return functional.batch_norm(
                x, module.running_mean, module.running_var, module.weight, module.bias, False, 0.0, module.eps
            )
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
        count = x.numel() // x.shape[1] * self.processes.world
        wide = x.float()
        mean = _Sum.apply(wide.sum(axes), self.processes) / count
        centred = wide - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(axes), self.processes) / count
        with torch.no_grad():
            module.num_batches_tracked.add_(1)
            module.running_mean.lerp_(mean, module.momentum)
            module.running_var.lerp_(variance * (count / max(1, count - 1)), module.momentum)
        scale = module.weight * torch.rsqrt(variance + module.eps)
        return centred * scale.view(shape) + module.bias.view(shape)


@contextmanager
def synchronised(network: nn.Module, processes: Processes) -> Iterator[None]:
    """The network with batch normalisations that see the samples of all processes."""
    found = [each for each in network.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    if processes.world > 1:
        for module in found:
            vars(module)["forward"] = _Forward(module, processes)
    yield
    for module in found:
        vars(module).pop("forward", None)
