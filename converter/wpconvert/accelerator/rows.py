"""The published CSV form of a schedule, which is one line a layer without a title."""

from __future__ import annotations

from collections.abc import Sequence

from wpconvert.accelerator.search import Tiled

_SAFE = {",": ";", '"': "'"}
"""What a name has in the place of what CSV reads as its own."""


def csv_of(rows: Sequence[Tiled], compatible: bool) -> bytes:
    """Name, cycles, filters and tiles along them, channels and tiles, height of an output tile and tiles, kernel width,
    stride, share of filters in the array of look-up tables, digits, what bounds the layer; then, unless `compatible`,
    width of an output tile and tiles.

    A depthwise layer has 1 and 1 for its filters and its groups as channels, as published.
    """
    return "".join(",".join(map(str, _fields(row, compatible))) + "\n" for row in rows).encode()


def _fields(row: Tiled, compatible: bool) -> list[object]:
    filters, channels, heights, widths = row.tiles
    sizes = (1, 1, row.filters, filters) if row.layer.depthwise else (row.filters, filters, row.channels, channels)
    share = f"{row.lut_filters / row.filters:.17g}"
    bound = "compute bound" if row.compute_bound else "memory bound"
    name = "".join(_SAFE.get(each, each if each.isprintable() else " ") for each in row.layer.name)
    own = (row.layer.kernel[1], row.layer.stride[1], share, row.digits, bound)
    return [name, row.cycles, *sizes, row.height, heights, *own, *(() if compatible else (row.width, widths))]
