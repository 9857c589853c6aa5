"""Layers that the networks share."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from torch import Tensor, nn
from torch.nn import functional


class Downsample(nn.Module):  # type: ignore[misc]
    """Pads a map of even size as TFLite's SAME does for a 3 x 3 kernel with stride 2: one row below, one column right.

    PyTorch's own padding is symmetric, which TFLite has no name for: the converter would keep a PAD operator.
    """

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x, (0, 1, 0, 1))


class ConvBnRelu(nn.Module):  # type: ignore[misc]
    """Convolution without bias, batch normalisation, ReLU if wanted; the export folds them into one operator."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, activation: bool = True
    ) -> None:
        super().__init__()
        self.pad = Downsample() if stride == 2 and kernel == 3 else nn.Identity()
        padding = 0 if stride == 2 else kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU() if activation else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(self.pad(x))))


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a layer, or a part of the network that it belongs to, has a name of such a pattern."""
    return any(fnmatchcase(name, each) or fnmatchcase(name, f"{each}.*") for each in patterns)
