"""The arena that a model takes on a board, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wpconvert.codecs.alignment import aligned
from wpconvert.errors import UnsupportedError
from wpconvert.graph.custom.operators import BUILTIN_NAMES, CHANNEL_AXIS
from wpconvert.graph.structure import Graph, Operator
from wpconvert.graph.types import INT8
from wpconvert.native import extension

# What stays in the arena on a 32-bit core, in bytes: runtime/include/wpconvert/program.h …
_NODE_NBYTES = 8
_POINTER_NBYTES = 4
_TENSOR_NBYTES = 72
# … and what an operator keeps: its Params in runtime/ops.
_JOIN_NBYTES = 16
_LOOKUP_NBYTES = 256
_PARAMS_NBYTES = {
    "ADD": 88,
    "AVERAGE_POOL_2D": 52,
    "CONCATENATION": _JOIN_NBYTES,
    "CONV_2D": 108,
    "DEPTHWISE_CONV_2D": 100,
    "DEQUANTIZE": 16,
    "EXPAND_DIMS": 36,
    "FULLY_CONNECTED": 56,
    "HARD_SWISH": 4 + _LOOKUP_NBYTES,
    "LEAKY_RELU": 4 + _LOOKUP_NBYTES,
    "LOGISTIC": 4 + _LOOKUP_NBYTES,
    "MAX_POOL_2D": 52,
    "MEAN": 64,
    "MUL": 72,
    "PACK": _JOIN_NBYTES,
    "PAD": 56,
    "PADV2": 56,
    "QUANTIZE": 16,
    "REDUCE_MAX": 52,
    "RELU": 4 + _LOOKUP_NBYTES,
    "RELU6": 4 + _LOOKUP_NBYTES,
    "RESHAPE": 36,
    "SHAPE": 28,
    "SOFTMAX": 24,
    "SPLIT": 12,
    "SQUEEZE": 36,
    "STRIDED_SLICE": 48,
    "SUB": 88,
    "TANH": 4 + _LOOKUP_NBYTES,
    "TRANSPOSE": 48,
    "WP_ADD": 168,
    "WP_CONV_2D": 212,
    "WP_DEPTHWISE_CONV_2D": 200,
    "WP_FULLY_CONNECTED": 152,
    "WP_LOOKUP": 8,
    "WP_MUL": 152,
}
_POOL_NBYTES = 20
_POOL_INPUT = 3
_FOLDS_BIAS = frozenset({"Cortex-M55"})
"""Cores on which FULLY_CONNECTED keeps a bias of its own (WPK_WANTS_FOLDED_BIAS)."""


@dataclass(frozen=True)
class ArenaPrediction:
    """Bytes of the arena: `placed` of activations and scratch together, `persistent` of what stays.

    `scratch`: of each operator of subgraph 0 that has some, by its index.
    """

    placed: int
    persistent: int
    scratch: dict[int, int]

    @property
    def nbytes(self) -> int:
        """The whole arena."""
        return self.placed + aligned(self.persistent)


def predict(graph: Graph, data: bytes, core: str) -> ArenaPrediction:
    """What `run` and `bench` measure of a model, rewritten or not, on a core. data: its file.

    Raises UnsupportedError for a model that the runtime refuses and where the native engine is not built.
    """
    native = extension()
    try:
        placed, scratch = native.lower_arena(data, core)
    except native.Error as error:
        raise UnsupportedError(str(error)) from error
    return ArenaPrediction(placed, _persistent(graph, core, len(scratch)), dict(scratch))


def _persistent(graph: Graph, core: str, scratches: int) -> int:
    """Bytes that the runtime and its operators keep."""
    total = 0
    for nbytes, alignment in _requests(graph, core, scratches):
        total = -(-(total + nbytes) // alignment) * alignment
    return total


def _requests(graph: Graph, core: str, scratches: int) -> Iterator[tuple[int, int]]:
    """Size and alignment of all that is kept, in the order in which it is asked for."""
    operators = graph.main.operators
    yield len(operators) * _NODE_NBYTES, 4
    yield sum(len(operator.inputs) + len(operator.outputs) for operator in operators) * _POINTER_NBYTES, 4
    yield (len(graph.main.inputs) + len(graph.main.outputs)) * _TENSOR_NBYTES, 4
    for operator in operators:
        yield _PARAMS_NBYTES[operator.kind], 4
        yield from _arrays(operator, core)
    yield scratches * _POINTER_NBYTES, 4


def _arrays(operator: Operator, core: str) -> Iterator[tuple[int, int]]:
    """What an operator keeps in addition to its Params."""
    kind = operator.kind
    if kind in CHANNEL_AXIS:
        weights = operator.tensor(1)
        multipliers = len(weights.parameters().scales)
        yield multipliers * 4, 4
        yield multipliers, 1
        if kind == "FULLY_CONNECTED" and core in _FOLDS_BIAS:
            yield weights.shape[CHANNEL_AXIS[kind]] * 4, 4
    elif kind in BUILTIN_NAMES and len(operator.inputs) > _POOL_INPUT:
        yield _POOL_NBYTES, 4
    elif kind in ("CONCATENATION", "PACK"):
        yield len(operator.inputs) * 4, 4
    elif kind == "QUANTIZE" and operator.tensor(0).dtype is INT8:
        yield _LOOKUP_NBYTES, 1
