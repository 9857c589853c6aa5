"""The best tile of each layer: all that can be best, or the grid of the published scheduler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from wpconvert.accelerator.architecture import Architecture
from wpconvert.errors import UnsupportedError
from wpconvert.model.convolution import Convolution
from wpconvert.native import extension

DIGITS = (1, 2, 3, 4)
"""Signed digits of a weight: four make up every int8 value."""
_LARGEST_PRODUCT = 1 << 56
_THREADS = 2
# Of the published scheduler.
_FEW, _MOST = 8, 512


@dataclass(frozen=True)
class Words:
    """What one tile needs of a buffer, of so many words that there are."""

    used: int
    depth: int


@dataclass(frozen=True)
class Tiled:
    """A layer cut into tiles, all as large as the first.

    digits: of a weight. filters, channels, height, width: of a tile, lut_filters of them in the array of look-up
    tables. cycles: of the whole layer. compute, load, store: cycles of one tile, of which the longest counts. buffers:
    of inputs, weights and outputs, of the look-up tables and then of the DSP blocks.
    """

    layer: Convolution
    digits: int
    cycles: int
    filters: int
    lut_filters: int
    channels: int
    height: int
    width: int
    compute: int
    load: int
    store: int
    buffers: tuple[Words, ...]

    @property
    def compute_bound(self) -> bool:
        """Whether its multipliers are busy all the time."""
        return self.compute > max(self.load, self.store)

    @property
    def tiles(self) -> tuple[int, int, int, int]:
        """How many there are along filters, channels (both of one group, or the groups of a depthwise layer), height
        and width."""
        layer = self.layer
        filters = layer.filters if layer.depthwise else layer.filters // layer.groups
        return (
            -(-filters // self.filters),
            -(-layer.channels // self.channels),
            -(-layer.output[0] // self.height),
            -(-layer.output[1] // self.width),
        )


@dataclass(frozen=True)
class Candidates:
    """The tiles to try, in this order.

    splits: filters, and the first and one more than the last number of them in the array of look-up tables; outputs:
    height and width.
    """

    splits: Sequence[tuple[int, int, int]]
    channels: Sequence[int]
    outputs: Sequence[tuple[int, int]]


Grid = Callable[[Convolution], Candidates]


def every_tile(layer: Convolution) -> Candidates:
    """Tiles of which one is the best of all.

    Of the sizes that need the same number of tiles, the smallest takes the least time and room.
    """
    filters = layer.filters if layer.depthwise else layer.filters // layer.groups
    splits = [(count, 0, count + 1) for count in _smallest(filters)]
    heights, widths = _smallest(layer.output[0]), _smallest(layer.output[1])
    return Candidates(splits, _smallest(layer.channels), [(height, width) for height in heights for width in widths])


def dsp_alone(layer: Convolution) -> Candidates:
    """The same with the DSP blocks alone, which multiply 8-bit weights."""
    found = every_tile(layer)
    return Candidates([(count, 0, 1) for count, _, _ in found.splits], found.channels, found.outputs)


def published_tiles(layer: Convolution) -> Candidates:
    """The grid of the published scheduler, which leaves tiles out; none where it cannot schedule a layer."""
    size, least = (layer.filters, 4) if layer.depthwise else (layer.filters, 16)
    share = 0.1 if layer.depthwise else 0.2
    splits = [(count, int(share * count), int(0.7 * count)) for count in _even(size, least)]
    channels = _published(layer.channels, 16)
    outputs = [(side, side) for side in _published(layer.output[0], 4)]
    return Candidates(splits, channels, outputs)


def schedule_layers(
    layers: Sequence[Convolution], architecture: Architecture, digits: Sequence[int], grid: Grid = every_tile
) -> list[Tiled]:
    """The best tile of each layer, with so many digits of each one's weights.

    UnsupportedError for a layer of which no tile of the grid fits the buffers, or that is too large to count its
    cycles.
    """
    for layer, count in zip(layers, digits, strict=True):
        if layer.macs * max(layer.stride) ** 2 * count > _LARGEST_PRODUCT:
            raise UnsupportedError(f"layer {layer.name}: {layer.macs:,} multiplications, too many to count its cycles")
    # Networks repeat their layers.
    keys = list(zip(layers, digits, strict=True))
    distinct = list(dict.fromkeys(keys))
    search = partial(_best, architecture=architecture, grid=grid)
    with ThreadPoolExecutor(_THREADS) as threads:
        best = dict(zip(distinct, threads.map(search, distinct), strict=True))
    return [_named(best[key], layer, architecture) for layer, key in zip(layers, keys, strict=True)]


def _named(tiled: Tiled | None, layer: Convolution, architecture: Architecture) -> Tiled:
    if tiled is None:
        raise UnsupportedError(
            f"layer {layer.name}: no tile of it fits the buffers of {architecture.name}, or the grid that is searched"
        )
    return replace(tiled, layer=layer)


def _best(key: tuple[Convolution, int], architecture: Architecture, grid: Grid) -> Tiled | None:
    layer, digits = key
    candidates = grid(layer)
    groups = 1 if layer.depthwise else layer.groups
    shape = (*layer.output, *layer.kernel, *layer.stride, layer.channels, layer.filters // groups, digits)
    found = extension().best_tile(
        architecture.bandwidth,
        architecture.lut,
        architecture.dsp,
        shape,
        layer.depthwise,
        candidates.splits,
        candidates.channels,
        candidates.outputs,
    )
    if found is None:
        return None
    cycles, filters, lut_filters, channels, height, width, compute, load, store, *used = found
    depths = (*architecture.lut[2:], *architecture.dsp[2:])
    words = tuple(Words(*each) for each in zip(used, depths, strict=True))
    tile = (filters, lut_filters, channels, height, width)
    return Tiled(layer, digits, groups * cycles, *tile, compute, load, store, words)


def _smallest(count: int) -> list[int]:
    """The largest first, each size that needs fewer parts than the next one."""
    sizes = []
    size = count
    while size:
        sizes.append(size)
        # The largest size that needs one part more, then the smallest one that needs as many.
        parts = -(-count // (size - 1)) if size > 1 else 0
        size = -(-count // parts) if parts else 0
    return sizes


def _published(count: int, least: int) -> list[int]:
    """Sizes of channels or outputs; the published scheduler tries all of a few."""
    if count < _FEW:
        return [size for size in range(count, 0, -1) if -(-count // size) <= size]
    return _even(count, least)


def _even(count: int, least: int) -> list[int]:
    """Every other size, of which fewer parts are needed than half of it."""
    return [size for size in range(min(count, _MOST), least - 1, -2) if 2 * -(-count // size) <= size]
