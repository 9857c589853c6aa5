"""The operators of a `.tflite` model as the cost model sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite.elementwise import matrix_of
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.model import TfliteModel, shape_of
from wpconvert.formats.tflite.parts import Place
from wpconvert.formats.tflite.schema import DTYPES
from wpconvert.formats.tflite.weights import WEIGHT_INPUT, table_of
from wpconvert.graph.custom.compressed import Compressed, read_compressed
from wpconvert.graph.custom.operators import BUILTIN_NAMES, ELEMENTWISE, ROW_DIMS, OperatorOptions, options_of
from wpconvert.graph.custom.table import RequantTable
from wpconvert.graph.types import element_count
from wpconvert.memory.lifetimes import activations
from wpconvert.model.layer import PLAIN, Layer, Storage

_MOST_FAST = 23
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_BINARY = ("ADD", "SUB", "MUL")


def layers_at(model: TfliteModel) -> dict[Place, Layer]:
    """Every operator of every subgraph, each in the order of execution; weights as the model stores them.

    ModelError for a rewritten operator that is corrupt. An operator with weights that could not be rewritten is
    described like one without.
    """
    counts = [len(graph.operators or []) for graph in model.root.subgraphs]
    places = [(subgraph, index) for subgraph, count in enumerate(counts) for index in range(count)]
    # The arena that operators have room in is that of subgraph 0.
    spare = dict(enumerate(_spare(model, counts[0])))
    return {place: replace(_layer(model, *place), spare=spare[place[1]] if place[0] == 0 else 0) for place in places}


def layers_of(model: TfliteModel) -> list[Layer]:
    """The same, subgraph by subgraph."""
    return list(layers_at(model).values())


def _spare(model: TfliteModel, count: int) -> list[int]:
    """By operator, how far what is alive stays below the most that is alive at a time."""
    try:
        _, buffers = activations(read_graph(model)).shared()
    except UnsupportedError:
        # The runtime does not take such a model, so it has no arena.
        return [0] * count
    live = [sum(b.nbytes for b in buffers if b.first <= index <= b.last) for index in range(count)]
    return [max(live, default=0) - nbytes for nbytes in live]


def _layer(model: TfliteModel, subgraph: int, index: int) -> Layer:
    """One operator."""
    name = model.operator_name(model.root.subgraphs[subgraph].operators[index])
    if name in BUILTIN_NAMES:
        return _rewritten(model, subgraph, index)
    if (table := table_of(model, subgraph, index)) is not None:
        return _plain(model, subgraph, index, table)
    return _other(model, subgraph, index, name)


def _other(model: TfliteModel, subgraph: int, index: int, name: str, weights: Storage | None = None) -> Layer:
    """An operator whose shape does not say what it multiplies with."""
    graph = model.root.subgraphs[subgraph]
    operator = graph.operators[index]
    computed = [graph.tensors[t] for t in operator.inputs if t >= 0 and model.buffer(graph.tensors[t]) is None]
    source = max(computed, key=lambda tensor: element_count(shape_of(tensor)), default=None)
    batch, input_size = _image((1,) if source is None else shape_of(source))
    output = graph.tensors[operator.outputs[0]] if len(operator.outputs) else source
    _, output_size = _image((1,) if output is None else shape_of(output))
    pool = operator.builtinOptions
    if name in _POOLS and type(pool).__name__ == "Pool2DOptionsT":
        kernel, stride = (pool.filterHeight, pool.filterWidth), (pool.strideH, pool.strideW)
        return Layer(name, batch, input_size, output_size, kernel, stride)
    kind = "" if source is None else str(DTYPES.get(source.type, ""))
    broadcast = _broadcast(graph, operator, name)
    if weights is not None:
        broadcast = _fit_of((element_count(shape_of(source)), weights.rows * weights.cols))
    variant = " ".join(part for part in ("" if kind == "int8" else kind, broadcast) if part)
    flat = (1, batch * input_size[0] * input_size[1], input_size[2])
    return Layer(name, 1, flat, output_size, variant=variant, weights=weights)


def _broadcast(graph: Any, operator: Any, name: str) -> str:
    """How the operands of a binary operator fit each other; "" where they are of one size."""
    if name not in _BINARY:
        return ""
    sizes = [element_count(shape_of(graph.tensors[t])) for t in operator.inputs if t >= 0]
    return _fit_of(sizes)


def _fit_of(sizes: Sequence[int]) -> str:
    return "" if len(set(sizes)) < 2 else "scalar" if min(sizes) == 1 else "broadcast"


def _rewritten(model: TfliteModel, subgraph: int, index: int) -> Layer:
    found = read_compressed(model, subgraph, index)
    graph = model.root.subgraphs[subgraph]
    blob = model.constant(graph.tensors[graph.operators[index].inputs[WEIGHT_INPUT]])
    if found.name in ELEMENTWISE:
        matrix = matrix_of(found.weights)
        return _other(model, subgraph, index, found.name, Storage.of(found.codec, matrix, ROW_DIMS[found.name], blob))
    storage = Storage.of(found.codec, found.weights, ROW_DIMS[found.name], blob)
    layer = _weighted(graph, graph.operators[index], found.name, found.options, found.weights.shape, storage)
    return replace(layer, general=_general(found.table)) if isinstance(found, Compressed) else layer


def _plain(model: TfliteModel, subgraph: int, index: int, table: RequantTable) -> Layer:
    graph = model.root.subgraphs[subgraph]
    operator = graph.operators[index]
    name = model.operator_name(operator)
    values = model.constant(graph.tensors[operator.inputs[WEIGHT_INPUT]])
    if values is None:
        raise ModelError(f"{name}: weights that are no constant")
    storage = Storage.of(PLAIN, values, ROW_DIMS[name])
    layer = _weighted(graph, operator, name, options_of(name, operator.builtinOptions), values.shape, storage)
    return replace(layer, general=_general(table))


def _general(table: RequantTable) -> int:
    """The channels that kernels rescale in the general way.

    The fast one is for right shifts of at most 23 bits and a clamp that is the range of int8.
    """
    if (table.activation_min, table.activation_max) != (-128, 127):
        return table.channels
    fast = (table.shift <= -1) & (table.shift >= -_MOST_FAST)
    return int((~fast).sum()) * (table.channels // len(table.shift))


def _weighted(
    graph: Any, operator: Any, name: str, options: OperatorOptions, shape: tuple[int, ...], storage: Storage
) -> Layer:
    """A convolution or fully connected layer with constant int8 weights."""
    x, y = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    if name == "FULLY_CONNECTED":
        count = element_count(shape_of(x)) // storage.cols
        return Layer(name, count, (1, 1, storage.cols), (1, 1, storage.rows), weights=storage)
    (batch, input_size), (_, output_size) = _image(shape_of(x)), _image(shape_of(y))
    kernel = (shape[1], shape[2])
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


def _image(shape: tuple[int, ...]) -> tuple[int, tuple[int, int, int]]:
    """Batch and (height, width, channels) of a tensor; those of four dimensions are images."""
    if len(shape) == 4:
        return shape[0], (shape[1], shape[2], shape[3])
    channels = shape[-1] if shape else 1
    return 1, (1, element_count(shape) // max(1, channels), channels)
