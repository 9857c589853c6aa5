"""The operators of a `.tflite` model as the cost model sees them."""

from __future__ import annotations

from typing import Any

import numpy as np

from wpconvert import codecs
from wpconvert.model.layer import PLAIN, Layer, Storage
from wpconvert.tflite.model import TfliteModel, element_count, shape_of
from wpconvert.tflite.operators import (
    BUILTIN_NAMES,
    CUSTOM_NAMES,
    ROW_DIMS,
    OperatorOptions,
    options_of,
    unpack_options,
)
from wpconvert.tflite.schema import DTYPES
from wpconvert.tflite.weights import WEIGHT_INPUT

_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_BINARY = ("ADD", "SUB", "MUL")


def layers_of(model: TfliteModel) -> list[Layer]:
    """Every operator of the first subgraph, in the order of execution; weights as the model stores them.

    Raises ModelError for a corrupt blob or options.
    """
    graph = model.root.subgraphs[0]
    return [layer_of(model, graph, operator) for operator in graph.operators or []]


def layer_of(model: TfliteModel, graph: Any, operator: Any) -> Layer:
    """One operator of a subgraph."""
    name = model.operator_name(operator)
    computed = [graph.tensors[t] for t in operator.inputs if t >= 0 and model.buffer(graph.tensors[t]) is None]
    source = max(computed, key=lambda tensor: element_count(shape_of(tensor)), default=None)
    batch, input_size = _image((1,) if source is None else shape_of(source))
    output = graph.tensors[operator.outputs[0]] if len(operator.outputs) else source
    _, output_size = _image((1,) if output is None else shape_of(output))
    builtin = BUILTIN_NAMES.get(name, name)
    if builtin in CUSTOM_NAMES and len(operator.inputs) > WEIGHT_INPUT:
        weights = graph.tensors[operator.inputs[WEIGHT_INPUT]]
        values = model.buffer(weights)
        if values is not None and (name != builtin or DTYPES.get(weights.type) == np.int8):
            return _weighted(model, graph, operator, builtin, batch)
    if name in _POOLS:
        pool = operator.builtinOptions
        kernel, stride = (pool.filterHeight, pool.filterWidth), (pool.strideH, pool.strideW)
        return Layer(name, batch, input_size, output_size, kernel, stride)
    kind = "" if source is None else str(DTYPES.get(source.type, ""))
    variant = " ".join(part for part in ("" if kind == "int8" else kind, _broadcast(graph, operator, name)) if part)
    return Layer(builtin, 1, (1, batch * input_size[0] * input_size[1], input_size[2]), output_size, variant=variant)


def _broadcast(graph: Any, operator: Any, name: str) -> str:
    """How the operands of a binary operator fit each other; "" where they are of one size."""
    if name.removeprefix("WP_") not in _BINARY:
        return ""
    sizes = [element_count(shape_of(graph.tensors[t])) for t in operator.inputs[:2]]
    return "" if sizes[0] == sizes[-1] else "scalar" if min(sizes) == 1 else "broadcast"


def _weighted(model: TfliteModel, graph: Any, operator: Any, name: str, batch: int) -> Layer:
    """A convolution or fully connected layer with constant int8 weights, plain or rewritten."""
    x, weights, y = (graph.tensors[t] for t in (*operator.inputs[:2], operator.outputs[0]))
    options: OperatorOptions
    if model.is_custom(operator):
        options = unpack_options(np.asarray(operator.customOptions, np.uint8).tobytes())
        blob = model.buffer(weights)
        assert blob is not None
        values = codecs.decode(blob)
        storage = storage_of(options.codec, values, ROW_DIMS[name], blob.nbytes)
    else:
        values = model.constant(weights)
        assert values is not None
        options = options_of(name, operator.builtinOptions, PLAIN, shape_of(weights))
        storage = storage_of(PLAIN, values, ROW_DIMS[name], values.nbytes)
    if name == "FULLY_CONNECTED":
        count = element_count(shape_of(x)) // storage.cols
        return Layer(name, count, (1, 1, storage.cols), (1, 1, storage.rows), weights=storage)
    (_, input_size), (_, output_size) = _image(shape_of(x)), _image(shape_of(y))
    kernel = (options.filter_shape[1], options.filter_shape[2])
    padding = (0, 0)
    if options.padding == "SAME":
        top, left = (
            max(0, (out - 1) * step + (taps - 1) * dilation + 1 - size) // 2
            for out, step, taps, dilation, size in zip(
                output_size[:2], options.stride, kernel, options.dilation, input_size[:2], strict=True
            )
        )
        padding = (top, left)
    return Layer(
        name, batch, input_size, output_size, kernel, options.stride, options.dilation, padding, weights=storage
    )


def storage_of(method: str, values: Any, row_dims: int, nbytes: int) -> Storage:
    """The weights (int8, any shape) as a stored matrix."""
    rows = element_count(values.shape[:row_dims])
    return Storage(method, rows, values.size // rows, int(np.count_nonzero(values)), nbytes)


def _image(shape: tuple[int, ...]) -> tuple[int, tuple[int, int, int]]:
    """Batch and (height, width, channels) of a tensor; those of four dimensions are images."""
    if len(shape) == 4:
        return shape[0], (shape[1], shape[2], shape[3])
    channels = shape[-1] if shape else 1
    return 1, (1, element_count(shape) // max(1, channels), channels)
