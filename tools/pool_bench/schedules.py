"""Single layers by every way of computing with a pool: what using a product again is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.pool_bench.measure import TYPICAL_SIZE, Version, layers_with_pool, pooled, run
from tools.pool_bench.networks import NetworkBuilder

IDLE = 3
"""Memory that other layers need and this one may use, in parts of its own activations."""


@dataclass(frozen=True)
class Shape:
    """A convolution with padding SAME and stride 1; side: of the square image."""

    inputs: int
    outputs: int
    kernel: int
    side: int

    def __str__(self) -> str:
        return f"{self.kernel} × {self.kernel}, {self.inputs} → {self.outputs}, {self.side} × {self.side}"


SHAPES = (Shape(32, 32, 5, 16), Shape(64, 64, 3, 32), Shape(128, 128, 3, 16))


@dataclass(frozen=True)
class Way:
    """A schedule of kernels/include/wpk/plan.h, and whether products of one input serve all taps that read it."""

    schedule: str | None
    looks_up: bool
    again: bool = True

    @property
    def defines(self) -> tuple[str, ...]:
        """Macros that leave the plan no choice."""
        if self.schedule is None:
            return ()
        return f"WPK_SV_FORCE=WPK_{self.schedule}", f"WPK_SV_FORCE_LUT={int(self.looks_up)}"


WAYS = {
    "the plan's choice": Way(None, True),
    "products by look-up, used again": Way("TILES_PRODUCTS", True),
    "products by look-up, anew for each tap": Way("TILES_PRODUCTS", True, again=False),
    "products by multiplication, used again": Way("TILES_PRODUCTS", False),
    "products by multiplication, anew for each tap": Way("TILES_PRODUCTS", False, again=False),
    "a look-up for each filter and plane": Way("TILES_DIRECT", True),
    "rows decoded and multiplied": Way("ROWS_DENSE", False),
}


@dataclass(frozen=True)
class Result:
    """Instructions of one layer."""

    shape: str
    way: str
    board: str
    act_bits: int
    instructions: int


def layer_model(shape: Shape, again: bool) -> bytes:
    """A file whose second convolution has this shape.

    Without using products again: the 1 × 1 convolution of all taps side by side, whose products are used once.
    Gathering the taps is not part of it.
    """
    inputs, kernel = shape.inputs, shape.kernel
    if not again:
        inputs, kernel = inputs * kernel * kernel, 1
    # The first convolution is not pooled; its input is idle memory for the second.
    net = NetworkBuilder("layer", TYPICAL_SIZE, (shape.side, shape.side, (1 + IDLE) * (shape.inputs + shape.outputs)))
    return net.finished(net.conv(net.conv(net.input, inputs, 1), shape.outputs, kernel))


def compare(shape: Shape, way: str, act_bits: int, targets: Sequence[str]) -> list[Result]:
    """One layer by one way on each board. Raises what `run` raises."""
    chosen = WAYS[way]
    version = Version(TYPICAL_SIZE, act_bits, "flash")
    found = pooled(layer_model(shape, chosen.again), version)
    rows = run(str(shape), found.data, version, targets, layers_with_pool(found), chosen.defines)
    return [
        Result(str(shape), way, row.board, act_bits, layer.instructions)
        for row in rows
        for layer in row.layers
        if layer.pooled
    ]
