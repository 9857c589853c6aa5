"""Activations of few bits, as operators of a pooled model compute them, with a straight-through gradient.

A tensor is stored with 8 bits: real = scale · (q − zero point), q in −128…127. An operator with `act_bits` B uses
only the upper B bits of its input: `level` narrows q, and the zero point with it. docs/FORMAT.md defines the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, fx, nn

from .weights import pooled_layers

LOWEST, HIGHEST = -128, 127
# Ranges tried, as shares of the largest value seen; the one with the least squared error is taken.
_SHARES = torch.linspace(0.1, 1.0, 46)
_ACTIVATIONS = (nn.ReLU, nn.ReLU6)
# What hands its input's scale on.
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.Identity)


def rounding(bits: int, zero_point: int) -> int:
    """What `level` adds before it drops 8 − `bits` bits, so that the zero point has a level of its own."""
    drop = 8 - bits
    return 0 if drop == 0 else ((1 << (drop - 1)) - (zero_point + 128)) % (1 << drop)


def level(values: Tensor, bits: int, zero_point: int) -> Tensor:
    """The signed `bits`-bit levels of int8 values −128…127; dtype is kept, floats must be whole numbers."""
    steps = torch.div(values + 128 + rounding(bits, zero_point), 1 << (8 - bits), rounding_mode="floor")
    return steps.clamp(max=(1 << bits) - 1) - (1 << (bits - 1))


class FakeQuant(nn.Module):  # type: ignore[misc]
    """Rounds to 8 bits and narrows to `bits`; values stay real. Gradient 1 where nothing was clipped, else 0."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("zero_point", torch.full((), LOWEST))

    def set_range(self, low: float, high: float) -> None:
        """Store real values from `low` <= 0 to `high` >= 0 in 8 bits, 0 exactly."""
        scale = max(high - low, torch.finfo(torch.float32).tiny) / (HIGHEST - LOWEST)
        self.scale.fill_(scale)
        self.zero_point.fill_(round(LOWEST - low / scale))

    def forward(self, x: Tensor) -> Tensor:
        zero_point = int(self.zero_point)
        # Lower precision cannot hold all levels.
        x = x.float()
        with torch.no_grad():
            stored = torch.round(x / self.scale) + zero_point
            clipped = stored.clamp(LOWEST, HIGHEST)
            steps = level(clipped, self.bits, zero_point) - level(self.zero_point, self.bits, zero_point)
            real = steps * (self.scale * (1 << (8 - self.bits)))
            # The uppermost level may be lower than a rounded-up value: that too is clipping.
            top = (1 << 8) - 1 - 128 - rounding(self.bits, zero_point) + ((1 << (8 - self.bits)) - 1)
            inside = (stored >= LOWEST) & (stored <= min(HIGHEST, top))
        return torch.where(inside, x, x.detach()) + (real - x).detach()


def _after(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    del inputs
    return module.quantiser(output)


def _before(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (module.quantiser(inputs[0]),)


def sources(network: nn.Module) -> dict[str, str]:
    """For every pooled convolution that reads an activation, directly or through pools: the activation's name."""
    graph = fx.Tracer().trace(network)
    modules = dict(network.named_modules())
    pooled = pooled_layers(network)
    found: dict[str, str] = {}
    for node in graph.nodes:
        if node.op != "call_module" or node.target not in pooled:
            continue
        source = node.args[0]
        while source.op == "call_module" and isinstance(modules[source.target], _POOLS):
            source = source.args[0]
        if source.op == "call_module" and isinstance(modules[source.target], _ACTIVATIONS):
            found[node.target] = source.target
    return found


def attach(network: nn.Module, bits: int) -> None:
    """Quantise every activation to 8 bits, and the input of every pooled convolution to `bits`, in place.

    Ranges are not set yet: `calibrate` does that, or loading a state.
    """
    for module in network.modules():
        if isinstance(module, _ACTIVATIONS):
            module.quantiser = FakeQuant(8)
            module.register_forward_hook(_after)
    for layer in pooled_layers(network).values():
        layer.quantiser = FakeQuant(bits)
        layer.register_forward_pre_hook(_before)


def ranges(network: nn.Module) -> dict[str, float]:
    """The largest value that each quantised activation can take, by the activation's name."""
    return {
        name: float(module.quantiser.scale) * (HIGHEST - LOWEST)
        for name, module in network.named_modules()
        if isinstance(module, _ACTIVATIONS) and hasattr(module, "quantiser")
    }


def calibrate(network: nn.Module, images: Tensor) -> None:
    """Set every range from float images [n, c, h, w]: the one with the least squared error at the fewest bits.

    A pooled convolution reads its activation's range. One whose input is no activation, and may be negative, gets
    the range of the values seen.
    """
    reads = sources(network)
    layers = pooled_layers(network)
    modules = dict(network.named_modules())
    bits: dict[str, int] = {}
    for layer, source in reads.items():
        bits[source] = min(bits.get(source, 8), layers[layer].quantiser.bits)
    activations = {name: bits.get(name, 8) for name, module in modules.items() if isinstance(module, _ACTIVATIONS)}
    signed = {name for name in layers if name not in reads}

    def observe(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], *output: Tensor) -> None:
            if name in activations:
                module.quantiser.set_range(0.0, _best_range(output[0], activations[name]))
            else:
                module.quantiser.set_range(min(float(inputs[0].min()), 0.0), max(float(inputs[0].max()), 0.0))

        return hook

    # Before the quantisers' own hooks, so that each range is set from real values and is at work from then on.
    handles = [modules[name].register_forward_hook(observe(name), prepend=True) for name in activations]
    handles += [modules[name].register_forward_pre_hook(observe(name), prepend=True) for name in signed]
    followers: Mapping[str, list[str]] = {name: [k for k, v in reads.items() if v == name] for name in activations}
    for name, readers in followers.items():
        handles.append(modules[name].register_forward_hook(_share([layers[reader] for reader in readers])))
    network.eval()
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()


def _share(readers: list[nn.Conv2d]) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        del inputs, output
        for reader in readers:
            reader.quantiser.scale.copy_(module.quantiser.scale)
            reader.quantiser.zero_point.copy_(module.quantiser.zero_point)

    return hook


def _best_range(values: Tensor, bits: int) -> float:
    highest = float(values.max())
    quantiser = FakeQuant(bits).to(values.device)
    least, best = float("inf"), highest
    for share in _SHARES.tolist():
        quantiser.set_range(0.0, share * highest)
        error = float((quantiser(values) - values).square().sum())
        if error < least:
            least, best = error, share * highest
    return best
