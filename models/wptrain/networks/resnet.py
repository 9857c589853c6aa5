"""Residual networks for 32 x 32 images: ResNet-s, ResNet-10 and ResNet-14 of the weight-pool literature."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .layers import ConvBnRelu


class BasicBlock(nn.Module):  # type: ignore[misc]
    """Two 3 x 3 convolutions and a shortcut, which is a 1 x 1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = ConvBnRelu(inputs, outputs, kernel=3, stride=stride)
        self.second = ConvBnRelu(outputs, outputs, kernel=3, activation=False)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else ConvBnRelu(inputs, outputs, 1, stride, activation=False)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.second(self.first(x)) + self.shortcut(x))


class ResNet(nn.Module):  # type: ignore[misc]
    """A 3 x 3 stem, a 2 x 2 max-pool if wanted, stages of basic blocks, global average pool, linear classifier.

    Every stage but the first halves the map. Input float32 [batch, channels, 32, 32], output logits [batch, classes].
    """

    def __init__(self, stages: Sequence[int], blocks: int, halve: bool, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        self.stem = ConvBnRelu(channels, stages[0], kernel=3)
        self.halve = nn.MaxPool2d(2) if halve else nn.Identity()
        layers: list[nn.Module] = []
        width = stages[0]
        for stage, outputs in enumerate(stages):
            for block in range(blocks):
                layers.append(BasicBlock(width, outputs, stride=2 if stage > 0 and block == 0 else 1))
                width = outputs
        self.blocks = nn.Sequential(*layers)
        self.pool = nn.AvgPool2d((16 if halve else 32) >> (len(stages) - 1))
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.blocks(self.halve(self.stem(x))))
        return self.classifier(x.flatten(1))
