"""The operators of a graph as the cost model sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wpconvert.errors import UnsupportedError
from wpconvert.graph.attributes import SAME, Pool2DOptions
from wpconvert.graph.custom.compressed import Compressed, blob_of, read_compressed
from wpconvert.graph.custom.elementwise import matrix_of
from wpconvert.graph.custom.operators import BUILTIN_NAMES, ELEMENTWISE, ROW_DIMS, OperatorOptions, options_of
from wpconvert.graph.custom.rewritable import WEIGHT_INPUT, constant_weights, table_of
from wpconvert.graph.custom.table import RequantTable
from wpconvert.graph.structure import Graph, Operator, Place
from wpconvert.graph.types import Shape, element_count
from wpconvert.graph.windows import surplus
from wpconvert.memory.lifetimes import activations
from wpconvert.model.layer import PLAIN, Layer, Storage

_MOST_FAST = 23
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_BINARY = ("ADD", "SUB", "MUL")


def layers_at(graph: Graph) -> dict[Place, Layer]:
    """Every operator of every subgraph, each in the order of execution; weights as the model stores them.

    ModelError for a rewritten operator that is corrupt. An operator with weights that could not be rewritten is
    described like one without.
    """
    # The arena that operators have room in is that of subgraph 0.
    spare = _spare(graph)
    return {
        (number, operator.index): replace(_layer(operator), spare=spare[operator.index] if number == 0 else 0)
        for number, subgraph in enumerate(graph.subgraphs)
        for operator in subgraph.operators
    }


def layers_of(graph: Graph) -> list[Layer]:
    """The same, subgraph by subgraph."""
    return list(layers_at(graph).values())


def _spare(graph: Graph) -> list[int]:
    """By operator, how far what is alive stays below the most that is alive at a time."""
    count = len(graph.main.operators)
    try:
        _, buffers = activations(graph).shared()
    except UnsupportedError:
        # The runtime does not take such a model, so it has no arena.
        return [0] * count
    live = [sum(b.nbytes for b in buffers if b.first <= index <= b.last) for index in range(count)]
    return [max(live, default=0) - nbytes for nbytes in live]


def _layer(operator: Operator) -> Layer:
    """One operator."""
    if operator.kind in BUILTIN_NAMES:
        return _rewritten(operator)
    if (table := table_of(operator)) is not None:
        return _plain(operator, table)
    return _other(operator, operator.kind)


def _other(operator: Operator, name: str, weights: Storage | None = None) -> Layer:
    """An operator whose shape does not say what it multiplies with."""
    computed = [tensor for tensor in operator.inputs if tensor is not None and not tensor.is_constant]
    source = max(computed, key=lambda tensor: tensor.size, default=None)
    batch, input_size = _image((1,) if source is None else source.shape)
    output = operator.outputs[0] if operator.outputs else source
    _, output_size = _image((1,) if output is None else output.shape)
    pool = operator.attributes
    if name in _POOLS and isinstance(pool, Pool2DOptions):
        return Layer(name, batch, input_size, output_size, pool.window, pool.stride)
    kind = "" if source is None or source.dtype.numpy is None else str(source.dtype.numpy)
    broadcast = _broadcast(operator)
    if weights is not None:
        broadcast = _fit_of((1 if source is None else source.size, weights.rows * weights.cols))
    variant = " ".join(part for part in ("" if kind == "int8" else kind, broadcast) if part)
    flat = (1, batch * input_size[0] * input_size[1], input_size[2])
    return Layer(name, 1, flat, output_size, variant=variant, weights=weights)


def _broadcast(operator: Operator) -> str:
    """How the operands of a binary operator fit each other; "" where they are of one size."""
    if operator.kind not in _BINARY:
        return ""
    return _fit_of([tensor.size for tensor in operator.inputs if tensor is not None])


def _fit_of(sizes: Sequence[int]) -> str:
    return "" if len(set(sizes)) < 2 else "scalar" if min(sizes) == 1 else "broadcast"


def _rewritten(operator: Operator) -> Layer:
    found, blob = read_compressed(operator), blob_of(operator)
    if found.name in ELEMENTWISE:
        matrix = matrix_of(found.weights)
        return _other(operator, found.name, Storage.from_values(found.codec, matrix, ROW_DIMS[found.name], blob))
    storage = Storage.from_values(found.codec, found.weights, ROW_DIMS[found.name], blob)
    layer = _weighted(operator, found.name, found.options, found.weights.shape, storage)
    return replace(layer, general=_general(found.table)) if isinstance(found, Compressed) else layer


def _plain(operator: Operator, table: RequantTable) -> Layer:
    values = constant_weights(operator.tensor(WEIGHT_INPUT))
    storage = Storage.from_values(PLAIN, values, ROW_DIMS[operator.kind])
    layer = _weighted(operator, operator.kind, options_of(operator.attributes), values.shape, storage)
    return replace(layer, general=_general(table))


def _general(table: RequantTable) -> int:
    """The channels that kernels rescale in the general way.

    The fast one is for right shifts of at most 23 bits and a clamp that is the range of int8.
    """
    if (table.activation_min, table.activation_max) != (-128, 127):
        return table.channels
    fast = (table.shift <= -1) & (table.shift >= -_MOST_FAST)
    return int((~fast).sum()) * (table.channels // len(table.shift))


def _weighted(operator: Operator, name: str, options: OperatorOptions, shape: Shape, storage: Storage) -> Layer:
    """A convolution or fully connected layer with constant int8 weights."""
    x, y = operator.tensor(0), operator.outputs[0]
    if name == "FULLY_CONNECTED":
        count = x.size // storage.cols
        return Layer(name, count, (1, 1, storage.cols), (1, 1, storage.rows), weights=storage)
    (batch, input_size), (_, output_size) = _image(x.shape), _image(y.shape)
    kernel = (shape[1], shape[2])
    padding = (0, 0)
    if options.padding == SAME:
        axes = zip(input_size[:2], output_size[:2], kernel, options.stride, options.dilation, strict=True)
        top, left = (surplus(*axis) // 2 for axis in axes)
        padding = (top, left)
    return Layer(
        name, batch, input_size, output_size, kernel, options.stride, options.dilation, padding, weights=storage
    )


def _image(shape: Shape) -> tuple[int, tuple[int, int, int]]:
    """Batch and (height, width, channels) of a tensor; those of four dimensions are images."""
    if len(shape) == 4:
        return shape[0], (shape[1], shape[2], shape[3])
    channels = shape[-1] if shape else 1
    return 1, (1, element_count(shape) // max(1, channels), channels)
