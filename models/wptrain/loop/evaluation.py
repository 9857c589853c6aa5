"""What a network gets right, and the losses that it is trained with."""

from __future__ import annotations

import math
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..data import ahead
from ..data.module import DataModule, SplitName
from .processes import SINGLE, Processes

EVALUATION_BATCH = 1000
# Numbers of a batch that is evaluated: large samples come in smaller batches.
_LARGEST_BATCH = 1 << 24
# Of the teacher's and the network's logits; soft enough to show what the wrong classes have in common with the image.
_TEMPERATURE = 4.0


def to_torch(samples: NDArray[np.float32], device: torch.device) -> Tensor:
    """Samples [n, height, width, channels] as [n, channels, height, width], stored with the channels last."""
    return torch.from_numpy(samples).permute(0, 3, 1, 2).to(device)


def evaluate(
    network: nn.Module, data: DataModule, split: SplitName, processes: Processes = SINGLE
) -> tuple[float, float]:
    """Top-1 accuracy in [0, 1] and mean cross-entropy of a network as it computes, on the device where it is.

    Processes share the work, and all get the result.
    """
    device = next(network.parameters()).device
    size = len(data.labels(split))
    step = max(1, min(EVALUATION_BATCH, _LARGEST_BATCH // math.prod(data.sample_shape)))
    network.eval()
    correct, loss = 0, 0.0
    with torch.no_grad():
        starts = range(processes.rank * step, size, processes.world * step)
        parts = (np.arange(start, min(start + step, size)) for start in starts)
        with closing(ahead.batches(data, split, parts)) as made:
            for samples, labels in made:
                target = torch.from_numpy(labels).to(device)
                logits = network(to_torch(samples, device))
                loss += float(functional.cross_entropy(logits, target)) * len(target)
                correct += int((logits.argmax(dim=1) == target).sum())
    if processes.world > 1:
        correct, loss = processes.sum(torch.tensor([correct, loss], dtype=torch.float64, device=device)).tolist()
    return correct / size, loss / size


def distillation(logits: Tensor, taught: Tensor) -> Tensor:
    """The loss of Hinton et al. (arXiv 1503.02531): how far softened logits [n, classes] are from the teacher's."""
    soft, goal = (functional.log_softmax(each / _TEMPERATURE, dim=1) for each in (logits, taught))
    return _TEMPERATURE**2 * functional.kl_div(soft, goal, reduction="batchmean", log_target=True)
