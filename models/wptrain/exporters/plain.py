"""A network without what training put into it."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils import parametrize

from ..quantise import program


def plain(network: nn.Module) -> nn.Module:
    """A copy on the CPU that computes in floats, in evaluation mode, with plain modules.

    Parametrised weights become what they amount to; grids of activations are left out.
    """
    copied = copy.deepcopy(network).cpu().eval()
    if program.is_attached(copied):
        program.detach(copied)
    for name, module in list(copied.named_modules()):
        if isinstance(module, nn.Conv2d | nn.Linear) and parametrize.is_parametrized(module):
            parent, _, attribute = name.rpartition(".")
            setattr(copied.get_submodule(parent), attribute, _without_parametrisations(module))
    return copied


def _without_parametrisations(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    # Removing them would take the weight from the layer this one is a copy of: they share a class.
    biased = layer.bias is not None
    if isinstance(layer, nn.Linear):
        made: nn.Module = nn.Linear(layer.in_features, layer.out_features, biased)
    else:
        made = nn.Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
            biased,
        )
    made.weight.data = layer.weight.detach()
    if biased:
        made.bias.data = layer.bias.detach()
    return made.eval()
