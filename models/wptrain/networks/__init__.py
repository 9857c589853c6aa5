"""Network definitions, one file per network.

A network takes float32 [batch, channels, height, width] and returns logits [batch, classes]. Attribute names
matter: `export` turns them into tensor names, so that `block2.pointwise.conv` becomes
`block2/pointwise/conv/weight`. Class names must not contain an underscore, because litert-torch joins class
and attribute name with one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from .ds_cnn import DsCnn
from .ds_cnn_kws import DsCnnKws
from .mobilenet_v2 import MobileNetV2
from .resnet import ResNet
from .tiny_conv import TinyConv

# By the name that commands take; called with the number of input channels and of classes.
NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    "resnet-s": partial(ResNet, (16, 32, 64), 2, True),
    "resnet-10": partial(ResNet, (64, 128), 2, False),
    "resnet-14": partial(ResNet, (64, 128, 256), 2, False),
    "mobilenet-v2": MobileNetV2,
    "tiny-conv": TinyConv,
    "ds-cnn": DsCnn,
    "ds-cnn-kws": DsCnnKws,
}
