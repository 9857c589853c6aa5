"""Moves Pad nodes into the convolutions that read them, where SAME often describes the sum of both paddings."""

from __future__ import annotations

from wpconvert.lowering.graph import Network, Node
from wpconvert.lowering.operators.conv import Conv
from wpconvert.lowering.operators.pad import Pad, quantised_fill


def merge_pads(network: Network) -> None:
    """In place: such a Pad becomes a change of scale, which is nothing where the scales are equal."""
    uses = [value for node in network.nodes for value in node.inputs] + [port.activation for port in network.outputs]
    for node in network.nodes:
        if node.op != "Conv":
            continue
        pad = node.activation(0).source
        if pad is None or pad.op != "Pad" or sum(value is pad.output for value in uses) != 1 or not _only_zeros(pad):
            continue
        settings: Pad = pad.settings
        conv: Conv = node.settings
        conv.window = conv.window.grown(
            (settings.before[2], settings.before[3]), (settings.after[2], settings.after[3])
        )
        pad.op = "QuantizeLinear"
        x = pad.activation(0)
        pad.inputs, pad.settings = [x], None
        pad.output.shape, pad.output.integers = x.shape, ""


def _only_zeros(pad: Node) -> bool:
    """It pads height and width alone, with real zeros."""
    settings: Pad = pad.settings
    channels = (*settings.before[:2], *settings.after[:2])
    return not any(channels) and quantised_fill(pad) == pad.output.quant.zero_point
