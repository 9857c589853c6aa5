"""Random changes to training images that keep their class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def shifted(images: Tensor, shift: int, generator: torch.Generator) -> Tensor:
    """Each image [n, c, h, w] moved by its own random offset of at most `shift` pixels; what comes in is 0."""
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


def flipped(images: Tensor, flip: bool, generator: torch.Generator) -> Tensor:
    """Each image [n, c, h, w] mirrored left to right with probability one half; `flip` False: none is."""
    if not flip:
        return images
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)
