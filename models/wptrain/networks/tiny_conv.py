"""TinyConv: three 5 x 5 convolutions for 32 x 32 images, the smallest network of the weight-pool literature."""

from __future__ import annotations

from torch import Tensor, nn

from .layers import ConvBnRelu


class TinyConv(nn.Module):  # type: ignore[misc]
    """Convolutions of 32, 32 and 64 channels, each followed by a 2 x 2 pool (the first by a max-pool), classifier.

    Input float32 [batch, channels, 32, 32], output logits [batch, classes].
    """

    def __init__(self, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        self.stem = ConvBnRelu(channels, 32, kernel=5)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = ConvBnRelu(32, 32, kernel=5)
        self.pool2 = nn.AvgPool2d(2)
        self.conv3 = ConvBnRelu(32, 64, kernel=5)
        self.pool3 = nn.AvgPool2d(2)
        self.classifier = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool2(self.conv2(self.pool1(self.stem(x))))
        return self.classifier(self.pool3(self.conv3(x)).flatten(1))
