"""A depthwise-separable CNN for keyword spotting, after the DS-CNN of Hello Edge (arXiv 1711.07128) and MLPerf Tiny."""

from __future__ import annotations

from torch import Tensor, nn

from .ds_cnn import SeparableBlock
from .layers import ConvBnRelu

WIDTH = 64
BLOCKS = 4


class DsCnnKws(nn.Module):  # type: ignore[misc]
    """Stem and four separable blocks of 64 channels, average pool, linear classifier.

    Input float32 [batch, channels, 49, 10], frames and coefficients of a second; output logits [batch, classes]. The
    published stem, 10 x 4 with a stride of 2, is a 3 x 3 one and an average pool, as in `DsCnn` and for its reason.
    """

    def __init__(self, channels: int = 1, classes: int = 12) -> None:
        super().__init__()
        self.stem = ConvBnRelu(channels, WIDTH, kernel=3)
        self.halve = nn.AvgPool2d(2)
        self.blocks = nn.Sequential(*(SeparableBlock(WIDTH, WIDTH) for _ in range(BLOCKS)))
        self.pool = nn.AvgPool2d((24, 5))
        self.classifier = nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.blocks(self.halve(self.stem(x))))
        return self.classifier(x.flatten(1))
