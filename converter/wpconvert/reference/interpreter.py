"""Runs subgraph 0 of a model with the arithmetic of the device.

Model files are untrusted: everything an operator needs is checked before it runs, sizes are bounded before
memory is taken, and whatever still goes wrong inside an operator is reported as a ModelError that names it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from wpconvert.errors import ModelError, UnsupportedError, UsageError
from wpconvert.graph.arithmetic import Rounding
from wpconvert.graph.structure import Graph, Operator, Subgraph, Tensor
from wpconvert.graph.types import INT32, Values
from wpconvert.reference import kernels as _kernels  # noqa: F401 - importing it fills the registry
from wpconvert.reference.registry import OPERATORS, OpContext

P = ParamSpec("P")
T = TypeVar("T")

MEMORY_LIMIT = 1 << 31
"""Bytes that all tensors together, and the working arrays of one operator, may take."""

_WORKING_BYTES = 32
"""Working memory of an operator per element of its inputs and outputs: a few arrays of 8-byte elements."""

_WEIGHT_BYTES = 16
"""The same for a constant: it is prepared once, as one array of 8-byte elements at most."""

_INTERNAL_ERRORS = (
    ValueError,
    IndexError,
    ZeroDivisionError,
    OverflowError,
    FloatingPointError,
    TypeError,
    AttributeError,
    KeyError,
    MemoryError,
)


def shielded(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function`; unexpected errors become ModelError."""
    try:
        # Overflow in float arithmetic is part of the operators' definition (an infinite exp, for one).
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)
    except _INTERNAL_ERRORS as error:
        raise ModelError(f"malformed model ({type(error).__name__}: {error})") from error


def _guarded(where: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Like `shielded`, and every error begins with the operator's name."""
    try:
        return shielded(function, *args, **kwargs)
    except (ModelError, UnsupportedError) as error:
        raise type(error)(f"{where}: {error}") from error


@functools.cache
def _controller() -> ThreadpoolController:
    """The controller of the loaded libraries; looking for them takes milliseconds, hence once."""
    return ThreadpoolController()


def _single_threaded() -> AbstractContextManager[object]:
    """A context in which matrix products run on the calling thread only; results do not depend on it.

    The matrix products of these models take microseconds, less than waking the library's worker threads; where other
    processes hold the cores, waiting for the workers makes a run tens of times slower.
    """
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@dataclass(frozen=True)
class _Program:
    """Subgraph 0 with the values of its constants by tensor index, and the operators of it that can run.

    problems: a line for each operator that cannot, and what `_check_order` says.
    """

    graph: Subgraph
    constants: dict[int, Values]
    contexts: list[OpContext]
    problems: list[str]


def _prepared(graph: Graph, rounding: Rounding) -> _Program:
    """ModelError for a malformed model, UnsupportedError when it is too large to run at all."""
    if not graph.subgraphs:
        raise ModelError("the model has no subgraph")
    main, contexts = graph.main, []
    constants = _constants(main)
    _check_memory(main)
    problems = _check_order(main)
    for operator in main.operators:
        try:
            contexts.append(_guarded(_where(operator), _checked_context, operator, constants, rounding))
        except UnsupportedError as error:
            problems.append(str(error))
    return _Program(main, constants, contexts, problems)


def _constants(graph: Subgraph) -> dict[int, Values]:
    """Values of the constant tensors that an operator or an output uses, by tensor index."""
    used = {tensor.index: tensor for tensor in graph.outputs}
    for operator in graph.operators:
        used.update((tensor.index, tensor) for tensor in operator.inputs if tensor is not None)
    values: dict[int, Values] = {}
    for index in sorted(used):
        tensor = used[index]
        readable = tensor.dtype.numpy is not None and not tensor.is_sparse
        if readable and (value := tensor.constant()) is not None:
            values[index] = value.view()
            values[index].flags.writeable = False
    return values


def _where(operator: Operator) -> str:
    """`operator 3 (CONV_2D)`, for messages."""
    return f"operator {operator.index} ({operator.kind})"


def _check_tensor(info: Tensor) -> None:
    if info.dtype.numpy is None:
        raise UnsupportedError(f"{info} has type {info.dtype}")
    if info.is_sparse:
        raise UnsupportedError(f"{info} uses the schema's sparse format")
    if any(dim < 0 for dim in info.shape):
        raise UnsupportedError(f"{info} has a dynamic shape {list(info.shape)}")
    if info.is_variable:
        raise UnsupportedError(f"{info} is a state tensor")
    # A list of no indices is one; no operator computes with other tensors of no elements.
    if 0 in info.shape and not (info.is_constant and info.dtype is INT32 and len(info.shape) == 1):
        raise UnsupportedError(f"{info} is empty: shape {list(info.shape)}")


def _checked_context(operator: Operator, constants: Mapping[int, Values], rounding: Rounding) -> OpContext:
    """The context of an operator that can run, with the values of its constant inputs."""
    given = [None if tensor is None else constants.get(tensor.index) for tensor in operator.inputs]
    context = OpContext(operator, rounding, given)
    implementation = OPERATORS.get(operator.kind)
    if implementation is None:
        raise UnsupportedError("the reference interpreter does not support this operator")
    tensors = [*(info for info in operator.inputs if info is not None), *operator.outputs]
    for info in tensors:
        _check_tensor(info)
    working = sum(info.size * (_WEIGHT_BYTES if info.is_constant else _WORKING_BYTES) for info in tensors)
    if working > MEMORY_LIMIT:
        raise UnsupportedError(f"it needs about {working} bytes of working memory, more than {MEMORY_LIMIT}")
    if implementation.check is not None:
        context.cached(implementation.check)
    return context


def _check_memory(graph: Subgraph) -> None:
    total = 0
    for info in graph.tensors:
        if info.dtype.numpy is not None and all(dim >= 0 for dim in info.shape):
            total += info.size * info.dtype.numpy.itemsize
    if total > MEMORY_LIMIT:
        raise UnsupportedError(f"the tensors of the model take {total} bytes, more than {MEMORY_LIMIT}")


def _check_order(graph: Subgraph) -> list[str]:
    """ModelError unless every tensor an operator reads has a value by then, and no constant is written.

    An unsupported operator can use its inputs in any way, for example as scratch. Returns a line for each
    tensor whose value the interpreter cannot keep: one that is written twice, an output that keeps its value.
    """
    written, problems = {tensor.index for tensor in graph.inputs}, []
    known = written | {tensor.index for tensor in graph.tensors if tensor.is_constant or tensor.is_variable}
    for operator in graph.operators:
        for source in operator.inputs if operator.kind in OPERATORS else ():
            if source is not None and source.index not in known:
                raise ModelError(f"{_where(operator)} reads {source} before it is computed")
        for tensor in operator.outputs:
            if tensor.is_constant:
                raise ModelError(f"{_where(operator)} writes tensor {tensor.index}, which is constant")
            if tensor.index in written:
                problems.append(f"{_where(operator)} writes {tensor} a second time")
            written.add(tensor.index)
            known.add(tensor.index)
    for tensor in graph.outputs:
        if tensor.index not in known:
            raise ModelError(f"the model's output {tensor} is never computed")
        if tensor.index not in written and not tensor.is_constant:
            problems.append(f"the model's output {tensor} is a state tensor")
    return problems


def unsupported(graph: Graph) -> list[str]:
    """One line per operator of subgraph 0 that the interpreter cannot run, naming operator, index and reason.

    Raises ModelError for a malformed model, UnsupportedError when it is too large to run at all.
    """
    return shielded(_prepared, graph, "tflm").problems


_SHOWN_PROBLEMS = 5


class Interpreter:
    """Executes subgraph 0 of a model.

    `rounding` says whose bits are produced where the runtimes differ: "tflm" (the device) or "litert"
    (LiteRT's reference kernels). What depends on the model only is computed once and kept across runs. The
    model must not be changed while an interpreter for it is in use.
    """

    def __init__(self, graph: Graph, rounding: Rounding = "tflm") -> None:
        """Raises UnsupportedError or ModelError when the model cannot be run."""
        self._program = shielded(_prepared, graph, rounding)
        if problems := self._program.problems:
            more = len(problems) - _SHOWN_PROBLEMS
            shown = "; ".join(problems[:_SHOWN_PROBLEMS])
            raise UnsupportedError(shown + (f"; and {more} more" if more > 0 else ""))

    def run(self, inputs: Sequence[Values]) -> list[Values]:
        """The model's outputs, in order, for its inputs, in order."""
        values = self.run_all(inputs)
        return [np.array(values[tensor.index]) for tensor in self._program.graph.outputs]

    def run_all(self, inputs: Sequence[Values]) -> dict[int, Values]:
        """Every tensor that has a value, by tensor index: inputs, used constants and all results."""
        values = dict(self._program.constants)
        values.update(self._checked_inputs(inputs))
        with _single_threaded():
            for context in self._program.contexts:
                self._execute_operator(context, values)
        return values

    def _checked_inputs(self, inputs: Sequence[Values]) -> dict[int, Values]:
        expected = self._program.graph.inputs
        if len(inputs) != len(expected):
            raise UsageError(f"got {len(inputs)} inputs, the model has {len(expected)}")
        checked = {}
        for position, (info, given) in enumerate(zip(expected, inputs, strict=True)):
            array = np.asarray(given)
            if array.shape != info.shape or array.dtype != info.dtype.numpy:
                raise UsageError(
                    f"input {position} ({info.name!r}): expected {info.dtype.numpy} {list(info.shape)}, "
                    f"got {array.dtype} {list(array.shape)}"
                )
            checked[info.index] = array
        return checked

    def _execute_operator(self, context: OpContext, values: dict[int, Values]) -> None:
        operator = context.operator
        where = _where(operator)
        context.inputs = [None if info is None else values[info.index] for info in operator.inputs]
        results = _guarded(where, OPERATORS[operator.kind].run, context)
        if len(results) != len(operator.outputs):
            raise ModelError(f"{where}: computed {len(results)} outputs, declared {len(operator.outputs)}")
        for info, result in zip(operator.outputs, results, strict=True):
            if result.shape != info.shape or result.dtype != info.dtype.numpy:
                raise ModelError(
                    f"{where}: computed {result.dtype} {list(result.shape)} for {info}, "
                    f"declared {info.dtype} {list(info.shape)}"
                )
            values[info.index] = result
