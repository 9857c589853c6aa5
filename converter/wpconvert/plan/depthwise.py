"""What a depthwise convolution takes, as numbers that the cost model weighs."""

from __future__ import annotations

from wpconvert.model.layer import PLAIN, Layer, Storage
from wpconvert.plan.decoding import Features, groups_of
from wpconvert.plan.paths import Path

_LANES = {"Cortex-M55": 8}
"""Channels that are multiplied together; on other cores four."""


def kind_of(layer: Layer, is_3x3: int) -> str:
    """The kernels that do it: those for 3 × 3 taps, or by how input channels of neighbouring output channels lie."""
    if is_3x3:
        return f"3x3 stride {layer.stride[0]}"
    depth, channels = layer.input_size[2], layer.output_size[2]
    return "any" if depth == channels else "of one channel" if depth == 1 else "multiplied"


def depthwise(layer: Layer, weights: Storage, path: Path, core: str) -> Features:
    """Multiplying; decoding is not in it."""
    if path.is_3x3:
        return (_squares_helium if core == "Cortex-M55" else _squares)(layer, path)
    return _general(layer, _LANES.get(core, 4), weights.method != PLAIN)


def _general(layer: Layer, lanes: int, folds: bool) -> Features:
    """A few channels at a time; the remaining ones one by one, or by gathering them.

    folds: the zero point of activations into biases; that of plain weights is there already.
    """
    channels = layer.output_size[2]
    blocks, rest = divmod(channels, lanes)
    inside = layer.batch * layer.inside[0] * layer.inside[1]
    rows = layer.batch * layer.inside[0] * layer.output_size[1]
    lines = layer.batch * layer.output_size[0]
    found = {
        "pixels": layer.pixels,
        "rows": rows,
        "taps": inside,
        "lines": lines,
    }
    return {
        "channels": channels,
        "folded taps": channels * layer.taps * folds,
        **{f"{name} by blocks": value * blocks for name, value in found.items()},
        **{f"{name} of a rest": value * (rest > 0) for name, value in found.items()},
        **{f"{name} of channels left": value * rest for name, value in found.items()},
    }


def _squares_helium(layer: Layer, path: Path) -> Features:
    """Of the kernels for 3 × 3 taps (depthwise_3x3_mve.c): strips of 16 channels, tiles of four outputs."""
    batch, (height, width, channels) = layer.batch, layer.output_size
    sixteens = batch * groups_of(channels, 16)
    one = layer.stride[0] == 1
    bands = groups_of(height, path.windows)
    strips = groups_of(height, 2 if one else 1)
    columns = min(layer.input_size[1], path.tile_pixels - layer.padding[1])
    across, left = divmod(width, 2 if one else 4)
    down, last = divmod(height, 2) if one else (height, 0)
    kinds = (across > 0) + (left > 0)
    part = down * (left > 0) + (last * (across + left) if one else 0)
    return {
        "channels by 16": groups_of(channels, 16),
        "channels by 4": groups_of(channels, 4),
        "bands": sixteens * bands,
        "strips": sixteens * strips,
        "strip columns": sixteens * strips * columns,
        "border columns": sixteens * strips * (path.tile_pixels - columns),
        "channel bands": batch * channels * bands,
        "tile groups": batch * channels * kinds * (groups_of(down, max(1, path.windows // 2)) + last),
        "tile strips": batch * channels * kinds * (down + last),
        "tiles": batch * channels * down * across,
        "cut tiles": batch * channels * part,
    }


def _squares(layer: Layer, path: Path) -> Features:
    """Of the kernels for 3 × 3 taps: depthwise_3x3.c. Bands of four channels, tiles of four or two outputs."""
    batch, (height, width, channels) = layer.batch, layer.output_size
    step, top = layer.stride[0], layer.padding[0]
    fours = batch * groups_of(channels, 4)
    bands = groups_of(height, path.windows)
    rows = height * step + bands * (3 - step)
    outside = top + max(0, (height - 1) * step + 3 - top - layer.input_size[0])
    inside = max(0, rows - outside)
    columns = min(layer.input_size[1], path.tile_pixels - layer.padding[1])
    return {
        "channels": channels,
        "channels by 4": groups_of(channels, 4),
        "bands": fours * bands,
        "rows inside": fours * inside,
        "columns inside": fours * inside * columns,
        "columns outside": fours * (inside * (path.tile_pixels - columns) + outside * path.tile_pixels),
        "rows of a rest": batch * (channels % 4 > 0) * inside,
        "columns of a rest": batch * (channels % 4 > 0) * inside * columns,
        "columns of channels left": batch * (channels % 4) * inside * columns,
        "channel bands": batch * channels * bands,
        "lines": batch * channels * height,
        "tiles of four": batch * channels * height * (width // 4),
        "tiles of two": batch * channels * height * groups_of(width % 4, 2),
        "outputs left": batch * channels * height * (width % 2),
    }
