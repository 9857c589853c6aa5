"""What TensorFlow Lite Micro with CMSIS-NN takes for operators that are not rewritten.

A file for each core in the folder costs/ holds what tools/calibrate_tflm.py fitted to measurements.
"""

from __future__ import annotations

from wpconvert.model.layer import PLAIN, Layer
from wpconvert.plan.decoding import Features, groups_of


def is_stock(layer: Layer) -> bool:
    """Whether TFLM's own kernels run it."""
    if layer.weights is None:
        return not layer.operator.startswith("WP_")
    return layer.weights.method == PLAIN


def describe(layer: Layer) -> tuple[str, Features]:
    """The family of a layer, and the numbers that its time depends on, whose names start with the family."""
    family = f"TFLM {_family(layer)}"
    return family, {f"{family}: {name}": float(value) for name, value in _features(layer).items()}


def _family(layer: Layer) -> str:
    """What is calibrated together: the operator, and which of CMSIS-NN's kernels it takes."""
    kind = layer.variant
    if layer.operator == "CONV_2D":
        kind = "windows"
        if layer.pointwise:
            kind = "pointwise" if layer.stride == (1, 1) else "pointwise strided"
    elif layer.operator == "DEPTHWISE_CONV_2D":
        kind = _depthwise_kind(layer)
    return f"{layer.operator} {kind}".strip()


def _depthwise_kind(layer: Layer) -> str:
    """Which of CMSIS-NN's kernels a depthwise convolution takes."""
    multiplier = layer.output_size[2] // max(1, layer.input_size[2])
    plain = layer.dilation == (1, 1) and layer.batch == 1
    if plain and multiplier == 1:
        return "3x3" if layer.kernel == (3, 3) and max(layer.padding) <= 1 else "simple"
    if layer.input_size[2] == 1:
        return "of one channel"
    return "multiplied by fours" if plain and multiplier % 4 == 0 else "multiplied"


def _features(layer: Layer) -> Features:
    """What the time of a layer depends on."""
    channels, depth = layer.output_size[2], layer.input_size[2]
    cols = layer.taps * depth if layer.operator == "CONV_2D" else layer.taps
    if layer.weights is not None:
        cols = layer.weights.cols if layer.operator != "DEPTHWISE_CONV_2D" else layer.taps
    pixels, lines = layer.pixels, layer.batch * layer.output_size[0]
    by_4, by_16 = groups_of(channels, 4), groups_of(cols, 16)
    found = {
        "once": 1,
        "channels": channels,
        "elements": channels * cols,
        "lines": lines,
        "pixels": pixels,
        "outputs": layer.outputs,
        "outputs by 4": pixels * by_4,
        "outputs by 16": pixels * groups_of(channels, 16),
        "outputs by 124": pixels * groups_of(channels, 124),
        "inputs": layer.inputs,
        "input pixels": layer.inputs / max(1, depth),
        "products": layer.outputs * cols,
        "products by 4": layer.outputs * groups_of(cols, 4),
        "products by 4 x 16": pixels * by_4 * by_16,
        "products by 16 channels": pixels * groups_of(channels, 16) * layer.taps,
        "pairs of pixels": groups_of(pixels, 2) * channels,
        "products of pairs": groups_of(pixels, 2) * channels * cols,
        "products of fours": groups_of(pixels, 4) * channels * cols,
        "activations": pixels * cols,
        "window rows": pixels * layer.kernel[0],
        "windows": pixels * layer.taps,
        "windows by 16": pixels * layer.taps * groups_of(depth, 16),
    }
    if layer.operator == "DEPTHWISE_CONV_2D":
        return found | _depthwise(layer)
    if layer.operator == "FULLY_CONNECTED":
        return found | _grouped(layer.batch, channels, cols)
    if layer.operator == "CONV_2D":
        return found | _paired(pixels, channels, cols)
    return found


def _depthwise(layer: Layer) -> Features:
    """Taps outside the image are skipped, and channels are taken by fours; the rest, one by one."""
    channels = layer.output_size[2]
    rows, taps = layer.inside[0] * layer.output_size[1], layer.inside[0] * layer.inside[1]
    found: Features = {}
    for name, number in (("fours", channels // 4), ("rest", channels % 4), ("channels", channels)):
        found |= {
            f"pixels x {name}": layer.pixels * number,
            f"rows inside x {name}": layer.batch * rows * number,
            f"taps inside x {name}": layer.batch * taps * number,
        }
    return found


def _grouped(batch: int, rows: int, cols: int) -> Features:
    """Rows of weights are taken by twos, threes or fours, as the core has it; the rest, one by one."""
    found: Features = {}
    for size in (2, 3, 4):
        for name, number in ((f"rows by {size}", rows // size), (f"rows left of {size}", rows % size)):
            found |= {
                name: batch * number,
                f"{name} x columns": batch * number * cols,
                f"{name} x columns by 4": batch * number * (cols // 4),
                f"{name} x columns left of 4": batch * number * (cols % 4),
            }
    return found


def _paired(pixels: int, channels: int, cols: int) -> Features:
    """Channels and pixels are taken by twos; columns by 16, then by 4, then one by one."""
    found: Features = {"columns left": pixels % 2 * cols}
    for name, number in (
        ("pairs of both", (channels // 2) * (pixels // 2)),
        ("pairs of channels", (channels // 2) * (pixels % 2)),
        ("channels left", (channels % 2) * pixels),
    ):
        found |= {
            name: number,
            f"{name} x columns": number * cols,
            f"{name} x columns by 16": number * (cols // 16),
            f"{name} x columns by 4": number * (cols % 16 // 4),
            f"{name} x columns left of 4": number * (cols % 4),
        }
    return found
