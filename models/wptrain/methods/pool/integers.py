"""The exact integers of pooled layers: pool vectors, and what is left of a channel as its scale.

Quantising the real weights would round every channel on a grid of its own. Here the pool's integers are the weights,
and what the channel multiplies them by, its least-squares scale times the gain of its batch normalisation, is the
scale of the weight tensor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ...networks.layers import ConvBnRelu
from ...quantise.integers import IntegerLayer
from .weights import latent_weight, pooled_layers, pooled_weight


def integer_layers(network: nn.Module) -> dict[str, IntegerLayer]:
    """Each pooled convolution with its batch normalisation folded in.

    Raises ValueError when one is not followed by its batch normalisation, or a gain is not positive.
    """
    blocks = {
        f"{name}.conv".lstrip("."): block for name, block in network.named_modules() if isinstance(block, ConvBnRelu)
    }
    return {name: _fold(name, blocks.get(name)) for name in pooled_layers(network)}


def _fold(name: str, block: ConvBnRelu | None) -> IntegerLayer:
    if block is None:
        raise ValueError(f"{name}: a pooled convolution must be part of a ConvBnRelu")
    gain = _numbers(block.bn.weight) / np.sqrt(_numbers(block.bn.running_var) + block.bn.eps)
    if not (gain > 0).all():
        raise ValueError(f"{name}: {int((gain <= 0).sum())} gains of its batch normalisation are not positive")
    latent = latent_weight(block.conv)
    pooled = pooled_weight(block.conv)
    integers = pooled.integers(latent).detach()
    return IntegerLayer(
        integers.numpy().astype(np.int8),
        _numbers(pooled.scales(latent, integers)) * gain,
        _numbers(block.bn.bias) - _numbers(block.bn.running_mean) * gain,
    )


def _numbers(tensor: Tensor) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().numpy(), np.float64)
