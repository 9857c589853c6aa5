"""What bringing the windows of a convolution together takes, as numbers that the cost model weighs."""

from __future__ import annotations

from wpconvert.model.layer import Layer
from wpconvert.plan.decoding import Features, groups_of
from wpconvert.plan.products import Product


def gathers_runs(product: Product) -> bool:
    """Whether a window's rows are runs of bytes: neighbouring pixels with all their channels."""
    return product.layer.dilation == (1, 1) and product.groups == 1


def gathering(product: Product) -> Features:
    """Of all windows, for each block of rows."""
    if product.path.pointwise:
        return {}
    if product.path.strip:
        return _strips(product)
    return _runs(product) if gathers_runs(product) else _taps(product)


def _runs(p: Product) -> Features:
    layer, cols = p.layer, p.weights.cols
    windows = p.blocks * layer.pixels
    # Rows of the kernel that lie inside the image, and the whole and the cut ones of them.
    rows = p.blocks * layer.batch * layer.inside[0] * layer.output_size[1]
    edge = p.blocks * layer.batch * (layer.output_size[0] * layer.output_size[1] - layer.whole)
    channels = cols // layer.taps
    run = layer.kernel[1] * channels
    inside = p.blocks * layer.batch * layer.inside[0] * layer.inside[1] * channels
    return {
        "windows": windows,
        "window rows": rows,
        "window bytes": inside,
        "window words": rows * (run // 4),
        "window vectors": rows * groups_of(run, 16),
        "window tails": rows * (run % 4),
        "edges": edge,
        "edge vectors": edge * groups_of(cols, 16),
    }


def _taps(p: Product) -> Features:
    layer = p.layer
    channels = p.weights.cols // layer.taps
    taps = p.blocks * layer.pixels * layer.taps
    inside = p.blocks * layer.batch * layer.inside[0] * layer.inside[1]
    return {
        "windows": p.blocks * layer.pixels,
        "taps": taps,
        "taps inside": inside,
        "tap words": taps * (channels // 4),
        "tap vectors": taps * groups_of(channels, 16),
        "tap tails": taps * (channels % 4),
    }


def _strips(p: Product) -> Features:
    layer = p.layer
    lines = p.blocks * layer.batch * layer.output_size[0]
    depth, width = layer.input_size[2], layer.input_size[1]
    columns = (layer.output_size[1] - 1) * layer.stride[1] + layer.kernel[1]
    inside = max(0, min(width, columns - layer.padding[1]))
    rows = p.blocks * layer.batch * layer.inside[0]
    filled = lines if inside != columns else p.blocks * layer.batch * _edge_lines(layer)
    narrow = depth < 16
    slabs = 0 if narrow else rows * (depth // 16)
    parts = 0 if narrow else rows * (depth % 16 > 0)
    return {
        "order": p.weights.cols,
        "strips": lines,
        "filled vectors": filled * groups_of(columns * layer.kernel[0] * depth, 16),
        "filled": filled,
        "strip rows": rows,
        "scatters": rows * groups_of(inside, 16 // depth) if narrow else 0,
        "slabs": slabs + parts,
        "slab pixels": slabs * inside,
        "part pixels": parts * inside,
    }


def _edge_lines(layer: Layer) -> int:
    """Lines of outputs of an image whose windows reach over its top or bottom."""
    step, top, taps = layer.stride[0], layer.padding[0], layer.kernel[0]
    starts = (row * step - top for row in range(layer.output_size[0]))
    return sum(start < 0 or start + taps > layer.input_size[0] for start in starts)
