"""What an operator's time depends on, as numbers that the cost model weighs.

Nothing here is specific to a core: the calibration finds out which of these numbers matter on it. Those with "tiles"
count pixels in groups, because kernels work on several at a time and an incomplete group costs about as much as a
whole one; those with "blocks" stand for work that is repeated for every block of weight rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from wpconvert.model.layer import PLAIN, Layer, Storage

Features = dict[str, float]

_PLAIN = (PLAIN, "dense")
"""Methods whose weights are computed with where they stand."""
_BLOCK_NBYTES = 8192
_BLOCK_ROWS = 64
_TILE_NBYTES = 16
_ENTRY_NBYTES = 4


def _groups(count: int, size: int) -> int:
    return -(-count // size)


def features_of(layer: Layer) -> Features:
    """The numbers of one layer."""
    if layer.weights is None:
        return _other(layer)
    weights = layer.weights
    if weights.method in _PLAIN:
        # Zeros are multiplied like any other weight.
        weights = replace(weights, nonzeros=0, nbytes=0)
    operator = _OPERATORS.get(layer.operator)
    return {**_storage(weights), **(_other(layer) if operator is None else operator(layer, weights))}


def quantities_of(layer: Layer) -> dict[str, float]:
    """What decides how a kernel works: the calibration looks for values of these at which costs change."""
    weights = layer.weights
    if weights is None:
        return {}
    return {
        "pixels": layer.pixels,
        "rows": weights.rows,
        "cols": weights.cols,
        "density": 1.0 if weights.method in _PLAIN else weights.nonzeros / (weights.rows * weights.cols),
        "activations per column": (layer.inputs + layer.outputs) / weights.cols,
    }


def _storage(weights: Storage) -> Features:
    """Work that depends on the weights alone: decoding them."""
    return {
        "once": 1,
        "rows": weights.rows,
        "cols": weights.cols,
        "plain rows": weights.rows if weights.method == PLAIN else 0,
        "elements": weights.rows * weights.cols,
        "row vectors": weights.rows * _groups(weights.cols, 16),
        "nonzeros": weights.nonzeros,
        "bytes": weights.nbytes,
    }


def _product(rows: int, cols: int, nonzeros: int, pixels: int) -> Features:
    """Rows times pixels: multiplications and requantisation."""
    return {
        "outputs": rows * pixels,
        "products": rows * cols * pixels,
        "products by 4": rows * _groups(cols, 4) * pixels,
        "products by 16": _groups(rows, 4) * _groups(cols, 16) * pixels,
        "products by 2 x 16": _groups(rows, 4) * _groups(cols, 16) * _groups(pixels, 2),
        "rows by 2": rows * _groups(pixels, 2),
        "rows by 4": rows * _groups(pixels, 4),
        "rows by 8": rows * _groups(pixels, 8),
        "products by 4 pixels": rows * cols * _groups(pixels, 4),
        "products by 8 pixels": rows * cols * _groups(pixels, 8),
        "nonzeros by pixel": nonzeros * pixels,
        "nonzeros by 8": nonzeros * _groups(pixels, 8),
        "nonzeros by whole 8": nonzeros * (pixels // 8),
        "nonzeros of a rest below 3": nonzeros * (pixels % 8 if pixels % 8 < 3 else 0),
        "rows of a rest": rows * (pixels % 8),
        "nonzeros by whole 24": nonzeros * (pixels // 24),
        "nonzeros of a rest by 8": nonzeros * _groups(pixels % 24, 8),
        "rows by whole 24": rows * (pixels // 24),
        "rows of a rest by 8": rows * _groups(pixels % 24, 8),
    }


def _conv_2d(layer: Layer, weights: Storage) -> Features:
    pixels, cols = layer.pixels, weights.cols
    channels = max(1, cols // layer.taps)
    groups = max(1, layer.input_size[2] // channels)
    rows = _groups(weights.rows, groups)
    result = _product(weights.rows, cols, weights.nonzeros, pixels)
    # Blocks of decoded rows, and of lists of their elements, may take spare memory.
    spare = layer.spare - cols * _TILE_NBYTES
    small, large = _groups(rows * cols, max(_BLOCK_NBYTES, spare)), _groups(rows, _BLOCK_ROWS)
    lists = _groups(_ENTRY_NBYTES * (weights.nonzeros // groups + 2 * rows), max(_BLOCK_NBYTES, spare))
    result |= {
        "pixels": groups * pixels,
        "activations": groups * pixels * cols,
        "activations by blocks": groups * pixels * cols * small,
        "activations by row blocks": groups * pixels * cols * large,
        "activations by lists": groups * pixels * cols * lists,
        "activations by 8 rows": groups * pixels * cols * _groups(rows, 8),
        "pixels by blocks": groups * pixels * small,
        "pixels by row blocks": groups * pixels * large,
    }
    if not layer.pointwise:
        window_rows = groups * pixels * layer.kernel[0]
        lines = layer.batch * layer.output_size[0]
        strip = (layer.output_size[1] - 1) * layer.stride[1] + layer.kernel[1]
        run = layer.kernel[1] * channels
        edge = groups * (pixels - layer.batch * layer.whole)
        result |= {
            "windows": groups * pixels,
            "windows by blocks": groups * pixels * small,
            "windows by row blocks": groups * pixels * large,
            "window rows": window_rows,
            "window rows by blocks": window_rows * small,
            "window rows by row blocks": window_rows * large,
            "window words": window_rows * _groups(run, 4),
            "window words by blocks": window_rows * _groups(run, 4) * small,
            "window words by row blocks": window_rows * _groups(run, 4) * large,
            "window vectors": window_rows * _groups(run, 16),
            "window tails": window_rows * (run % 4),
            "edges": edge,
            "edges by row blocks": edge * large,
            "edge columns": edge * cols,
            "edge columns by row blocks": edge * cols * large,
            "strip rows": lines * layer.kernel[0],
            "strip rows by blocks": lines * layer.kernel[0] * small,
            "strip columns": lines * layer.kernel[0] * strip,
            "strip columns by blocks": lines * layer.kernel[0] * strip * small,
            "strip vectors": lines * layer.kernel[0] * strip * _groups(channels, 16),
            "strip vectors by blocks": lines * layer.kernel[0] * strip * _groups(channels, 16) * small,
            "strip lines by 16": lines * layer.kernel[0] * _groups(strip * channels, 16),
            "strip lines by 16 by blocks": lines * layer.kernel[0] * _groups(strip * channels, 16) * small,
            "pairs of a line": lines * _groups(layer.output_size[1], 2) * _groups(rows, 4),
            "products of a line": lines * _groups(layer.output_size[1], 2) * _groups(rows, 4) * _groups(cols, 16),
            "gathered": groups * pixels * cols,
            "gathered by blocks": groups * pixels * cols * small,
            "gathered by row blocks": groups * pixels * cols * large,
        }
    return result


def _depthwise_conv_2d(layer: Layer, _: Storage) -> Features:
    channels, lines = layer.output_size[2], layer.batch * layer.output_size[0]
    inside = layer.batch * layer.inside[0] * layer.inside[1]
    pairs, quads, octets = (lines * _groups(layer.output_size[1], n) for n in (2, 4, 8))
    height, width = (
        size * step + taps - 1
        for size, step, taps in zip(layer.output_size[:2], layer.stride, layer.kernel, strict=True)
    )
    padded = layer.batch * height * width
    # Helium makes two lines of outputs at a time, in pairs.
    strips = layer.batch * _groups(layer.output_size[0], 2) * _groups(channels, 16)
    return {
        "strips": strips,
        "strip columns": strips * width,
        "pairs of strips": strips * _groups(layer.output_size[1], 2),
        "channels": channels,
        "channels by 4": _groups(channels, 4),
        "outputs": layer.outputs,
        "outputs by 4": _groups(channels, 4) * layer.pixels,
        "outputs by 16": _groups(channels, 16) * layer.pixels,
        "lines": lines * channels,
        "lines by 4": lines * _groups(channels, 4),
        "lines by 16": lines * _groups(channels, 16),
        "pairs": pairs * channels,
        "pairs by 4": pairs * _groups(channels, 4),
        "pairs by 16": pairs * _groups(channels, 16),
        "quads": quads * channels,
        "quads by 4": quads * _groups(channels, 4),
        "quads by 16": quads * _groups(channels, 16),
        "channels by 16": _groups(channels, 16),
        "inputs by 16": layer.inputs // max(1, layer.input_size[2]) * _groups(layer.input_size[2], 16),
        "octets by 4": octets * _groups(channels, 4),
        "octets by 16": octets * _groups(channels, 16),
        "padded by 4": padded * _groups(channels, 4),
        "padded by 16": padded * _groups(channels, 16),
        "inputs": layer.inputs,
        "inputs by 4": layer.inputs // max(1, layer.input_size[2]) * _groups(layer.input_size[2], 4),
        "products": layer.outputs * layer.taps,
        "products by 4": layer.pixels * _groups(channels, 4) * layer.taps,
        "products by 16": layer.pixels * _groups(channels, 16) * layer.taps,
        "products inside": channels * inside,
        "products inside by 4": _groups(channels, 4) * inside,
        "products inside by 16": _groups(channels, 16) * inside,
        "window rows": layer.outputs * layer.kernel[0],
        "window rows by 4": layer.pixels * _groups(channels, 4) * layer.kernel[0],
    }


def _fully_connected(layer: Layer, weights: Storage) -> Features:
    batch = layer.batch
    return {
        "outputs": batch * weights.rows,
        "products": batch * weights.rows * weights.cols,
        "products by 4": batch * weights.rows * _groups(weights.cols, 4),
        "products by 16": batch * weights.rows * _groups(weights.cols, 16),
        "nonzeros by pixel": batch * weights.nonzeros,
        "bytes by pixel": batch * weights.nbytes,
        "activations": batch * weights.cols,
    }


def _other(layer: Layer) -> Features:
    """An operator without weights."""
    lines = layer.batch * layer.output_size[0]
    return {
        "once": 1,
        "inputs": layer.inputs,
        "outputs": layer.outputs,
        "pixels": layer.pixels,
        "lines": lines,
        "channels": layer.output_size[2],
        "input pixels": layer.inputs / max(1, layer.input_size[2]),
        "inputs by 16": layer.inputs / max(1, layer.input_size[2]) * _groups(layer.input_size[2], 16),
        "outputs by 16": layer.pixels * _groups(layer.output_size[2], 16),
        "products": layer.outputs * layer.taps,
        "products by 16": layer.pixels * _groups(layer.output_size[2], 16) * layer.taps,
        "window rows": layer.pixels * layer.kernel[0],
        "window rows by 16": layer.pixels * layer.kernel[0] * _groups(layer.output_size[2], 16),
    }


_OPERATORS: Mapping[str, Callable[[Layer, Storage], Features]] = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "FULLY_CONNECTED": _fully_connected,
}


_SAME_WORK = {"WP_LOOKUP": "TANH"}
"""Operators with the kernel of another one: both look each element up."""


def family_of(layer: Layer) -> str:
    """What is calibrated together: the operator, how its weights are stored, and the shape of its windows."""
    if layer.weights is None:
        return f"{_SAME_WORK.get(layer.operator, layer.operator)} {layer.variant}".strip()
    window = layer.variant
    if layer.operator == "CONV_2D":
        window = "pointwise" if layer.pointwise else "windows"
    if layer.operator == "DEPTHWISE_CONV_2D":
        square = layer.kernel == (3, 3) and layer.dilation == (1, 1) and layer.stride[0] == layer.stride[1]
        plain = square and layer.input_size[2] == layer.output_size[2] and layer.stride[0] <= 2
        multiplied = "multiplied" if layer.input_size[2] != layer.output_size[2] else "windows"
        window = f"3x3 stride {layer.stride[0]}" if plain else multiplied
    method = "dense" if layer.weights.method in _PLAIN else layer.weights.method
    return " ".join(part for part in (layer.operator, method, window) if part)
