"""The processes that share a training; usually one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

Value = TypeVar("Value")
BACKENDS = {"cuda": "nccl", "cpu": "gloo"}


@dataclass(frozen=True)
class Processes:
    """This process is number `rank` of `world`; what `rank` 0 decides counts."""

    rank: int = 0
    world: int = 1

    def share(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """The items of a step that are this process's, as many for each; the first ones fill up the last shares."""
        index = np.arange(-(-len(items) // self.world)) * self.world + self.rank
        return items[index % len(items)]

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the values that the tensors have in the first one, in place."""
        if self.world > 1:
            for tensor in tensors:
                distributed.broadcast(tensor, 0)

    def agree(self, value: Value) -> Value:
        """The first process's value."""
        held = [value]
        if self.world > 1:
            distributed.broadcast_object_list(held, 0)
        return held[0]

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes, in place."""
        if self.world > 1:
            distributed.all_reduce(tensor)
        return tensor

    def mean_gradients(self, network: nn.Module) -> None:
        """Replace every gradient by its mean over all processes."""
        if self.world > 1:
            gradients = [each.grad for each in network.parameters() if each.grad is not None]
            joined = self.sum(torch.cat([gradient.flatten() for gradient in gradients])) / self.world
            for gradient, part in zip(gradients, joined.split([each.numel() for each in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient))

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            distributed.barrier()


SINGLE = Processes()


def first_process() -> bool:
    """Whether this process is the one that prints, of those that `torchrun` started."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined(device: str) -> Iterator[tuple[Processes, str]]:
    """The processes that `torchrun` started, and this one's device of the kind `device`; one process without it."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield SINGLE, device
        return
    distributed.init_process_group(BACKENDS[device])
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    try:
        yield Processes(distributed.get_rank(), world), device
    finally:
        distributed.destroy_process_group()
