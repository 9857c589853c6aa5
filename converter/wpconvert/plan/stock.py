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
        simple = layer.input_size[2] == layer.output_size[2] and layer.dilation == (1, 1) and layer.batch == 1
        small = layer.kernel == (3, 3) and max(layer.padding) <= 1
        kind = ("3x3" if small else "simple") if simple else "multiplied"
        if not simple and layer.input_size[2] == 1:
            kind = "of one channel"
    return f"{layer.operator} {kind}".strip()


def _features(layer: Layer) -> Features:
    """What the time of a layer depends on."""
    channels, depth = layer.output_size[2], layer.input_size[2]
    cols = layer.taps * depth if layer.operator == "CONV_2D" else layer.taps
    if layer.weights is not None:
        cols = layer.weights.cols if layer.operator != "DEPTHWISE_CONV_2D" else layer.taps
    pixels, lines = layer.pixels, layer.batch * layer.output_size[0]
    by_4, by_16 = groups_of(channels, 4), groups_of(cols, 16)
    return {
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
