"""MobileNet-v2 for small images (Sandler et al., 2018): inverted residuals with a linear bottleneck."""

from __future__ import annotations

from torch import Tensor, nn

from .layers import ConvBnRelu

# Expansion, output channels, repeats, stride of the first; strides as usual for 32 x 32 images.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_STEM, _HEAD = 32, 1280


class InvertedResidual(nn.Module):  # type: ignore[misc]
    """1 x 1 expansion, 3 x 3 depthwise convolution, 1 x 1 linear projection; a shortcut where shapes agree."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = ConvBnRelu(inputs, width, kernel=1) if expansion > 1 else nn.Identity()
        self.depthwise = ConvBnRelu(width, width, kernel=3, stride=stride, groups=width)
        self.project = ConvBnRelu(width, outputs, kernel=1, activation=False)
        self.residual = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class MobileNetV2(nn.Module):  # type: ignore[misc]
    """Input float32 [batch, channels, 32, 32], output logits [batch, classes]."""

    def __init__(self, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        self.stem = ConvBnRelu(channels, _STEM, kernel=3)
        blocks: list[nn.Module] = []
        width = _STEM
        for expansion, outputs, repeats, stride in _STAGES:
            for repeat in range(repeats):
                blocks.append(InvertedResidual(width, outputs, expansion, stride if repeat == 0 else 1))
                width = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvBnRelu(width, _HEAD, kernel=1)
        self.pool = nn.AvgPool2d(4)
        self.classifier = nn.Linear(_HEAD, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool(self.head(self.blocks(self.stem(x)))).flatten(1))
