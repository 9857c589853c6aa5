"""A depthwise-separable CNN for small grey-scale images, after MobileNet and the keyword-spotting DS-CNN."""

from __future__ import annotations

from torch import Tensor, nn

from .layers import ConvBnRelu


class SeparableBlock(nn.Module):  # type: ignore[misc]
    """3 x 3 depthwise convolution, then 1 x 1 pointwise convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depthwise = ConvBnRelu(inputs, inputs, kernel=3, groups=inputs)
        self.pointwise = ConvBnRelu(inputs, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class DsCnn(nn.Module):  # type: ignore[misc]
    """Stem of 32 channels, four separable blocks of 64, 96, 96 and 96, average pool, linear classifier.

    Input float32 [batch, channels, 8, 8], output logits [batch, classes].

    The map is halved by an average pool, not by a stride of 2: PyTorch pads a strided convolution on both
    sides, TFLite's SAME padding only at the end, and the converter would bridge the difference with a PAD
    operator.
    """

    def __init__(self, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.stem = ConvBnRelu(channels, 32, kernel=3)
        self.block1 = SeparableBlock(32, 64)
        self.halve = nn.AvgPool2d(2)
        self.block2 = SeparableBlock(64, 96)
        self.block3 = SeparableBlock(96, 96)
        self.block4 = SeparableBlock(96, 96)
        self.pool = nn.AvgPool2d(4)
        self.classifier = nn.Linear(96, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.halve(self.block1(self.stem(x)))
        x = self.pool(self.block4(self.block3(self.block2(x))))
        return self.classifier(x.flatten(1))
