"""What an operator's time depends on, as numbers that the cost model weighs.

They count what the kernels of a core do, by the way they plan a layer: the calibration finds out what each takes.
Layers that are computed in the same way make a family.
"""

from __future__ import annotations

from wpconvert.model.layer import PLAIN, Layer, Storage
from wpconvert.plan.decoding import DECODE, DOT, Features, decoding, groups_of
from wpconvert.plan.depthwise import depthwise, kind_of
from wpconvert.plan.paths import IN_PLACE, PLANNED, codecs_with_kernels, path_of
from wpconvert.plan.products import in_place, multiplication, product_of, vector_products
from wpconvert.plan.windows import gathering, gathers_runs

_FORMS = ("dense", "lists", "groups")


def describe(layer: Layer, core: str) -> tuple[str, Features]:
    """The family of a layer on a core, and the numbers that its time depends on there.

    Names of numbers start with the family, but those of what several do alike: multiplying rows of one form, bringing
    windows of one kind together, decoding, unpacking a table.
    """
    weights = layer.weights
    if weights is None:
        family = f"{_SAME_WORK.get(layer.operator, layer.operator)} {layer.variant}".strip()
        return family, _named(family, _other(layer))
    if weights.method != PLAIN and weights.method not in codecs_with_kernels():
        return " ".join(part for part in (layer.operator, weights.method, layer.variant) if part), {}
    if layer.operator == "FULLY_CONNECTED":
        family, features = _fully_connected(layer, weights)
        return family, features | _table(layer)
    if layer.operator not in PLANNED:
        family = f"{layer.operator} {layer.variant}".strip()
        return f"{family} decoded", _named(f"{family} decoded", _other(layer)) | decoding(weights, DECODE)
    path = path_of(layer, weights, core)
    if layer.operator == "DEPTHWISE_CONV_2D":
        family = f"DEPTHWISE_CONV_2D {kind_of(layer, path.is_3x3)}"
        return family, _named(family, depthwise(layer, weights, path, core)) | _decoded(layer) | _table(layer)
    product = product_of(layer, weights, path)
    form = ("in place" if path.in_place else "dots") if path.vector else _FORMS[path.form]
    runs = "windows" if gathers_runs(product) else "taps"
    window = "pointwise" if path.pointwise else "strips" if path.strip else runs
    family = f"CONV_2D {form} {window}"
    multiplied, decoded = multiplication(product, core)
    parts = _named(family, {}) | _of(form, multiplied) | _of(window, gathering(product))
    return family, parts | decoded | _table(layer)


def _of(part: str, features: Features) -> Features:
    return {f"{part}: {name}": value for name, value in features.items()}


def _named(family: str, features: Features) -> Features:
    return _of(family, {"once": 1.0, **features})


def _decoded(layer: Layer) -> Features:
    weights = layer.weights
    return {} if weights is None or weights.method in IN_PLACE else decoding(weights, DECODE)


def _table(layer: Layer) -> Features:
    """Unpacking the table of a rewritten operator. Fully connected layers have one multiplier mostly, others many."""
    if layer.weights is None or layer.weights.method == PLAIN:
        return {}
    many = "multipliers" if layer.operator != "FULLY_CONNECTED" else "biases"
    return {"table: once": 1, f"table: {many}": layer.output_size[2]}


def _fully_connected(layer: Layer, weights: Storage) -> tuple[str, Features]:
    batch = layer.batch
    if weights.method in IN_PLACE:
        family = "FULLY_CONNECTED in place"
        return family, _named(family, vector_products(weights.rows, weights.cols, batch) | in_place(weights, batch))
    family = "FULLY_CONNECTED dots"
    found: Features = {"vectors": batch, "outputs": batch * weights.rows}
    return family, _named(family, found) | decoding(weights, DOT, batch)


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
        "inputs by 16": layer.inputs / max(1, layer.input_size[2]) * groups_of(layer.input_size[2], 16),
        "outputs by 16": layer.pixels * groups_of(layer.output_size[2], 16),
        "products": layer.outputs * layer.taps,
        "products by 16": layer.pixels * groups_of(layer.output_size[2], 16) * layer.taps,
        "window rows": layer.pixels * layer.kernel[0],
        "window rows by 16": layer.pixels * layer.kernel[0] * groups_of(layer.output_size[2], 16),
    }


_SAME_WORK = {"WP_LOOKUP": "TANH"}
"""Operators with the kernel of another one: both look each element up."""
