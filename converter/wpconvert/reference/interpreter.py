"""Runs subgraph 0 of a model with the arithmetic of the device.

Model files are untrusted: everything an operator needs is checked before it runs, sizes are bounded before
memory is taken, and whatever still goes wrong inside an operator is reported as a ModelError that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError, UnsupportedError, UsageError
from wpconvert.formats.tflite.model import TfliteModel, quantization_of, shape_of, text
from wpconvert.formats.tflite.schema import DTYPES, TYPE_NAMES, TensorType
from wpconvert.graph.arithmetic import Rounding
from wpconvert.graph.types import element_count
from wpconvert.reference import operators as _operators  # noqa: F401 - importing it fills the registry
from wpconvert.reference.registry import OPERATORS, OpContext, TensorInfo
from wpconvert.reference.threads import single_threaded

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
    """Call `function`; errors nobody foresaw become ModelError."""
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


def _tensor_info(model: TfliteModel, graph: Any, index: int, computed: set[int]) -> TensorInfo:
    tensor = graph.tensors[index]
    data = model.buffer(tensor)
    return TensorInfo(
        index=index,
        name=text(tensor.name),
        type=int(tensor.type),
        shape=shape_of(tensor),
        quantization=quantization_of(tensor),
        # A tensor of no elements is one where nothing computes it.
        is_constant=data is not None and (data.nbytes > 0 or index not in computed),
        is_sparse=tensor.sparsity is not None,
        is_variable=bool(tensor.isVariable),
    )


def _indices(values: Any) -> list[int]:
    return [] if values is None else [int(value) for value in values]


class _Program:
    """Subgraph 0 as a list of operator contexts over a list of tensors."""

    def __init__(self, model: TfliteModel, rounding: Rounding) -> None:
        if not model.root.subgraphs:
            raise ModelError("the model has no subgraph")
        graph = model.root.subgraphs[0]
        self.model = model
        self.rounding = rounding
        self.inputs = _indices(graph.inputs)
        self.outputs = _indices(graph.outputs)
        self.operators = list(graph.operators or [])
        computed = {*self.inputs, *(t for operator in self.operators for t in _indices(operator.outputs))}
        self.tensors = [_tensor_info(model, graph, index, computed) for index in range(len(graph.tensors or []))]
        self.constants = self._constants(graph)

    def _constants(self, graph: Any) -> dict[int, NDArray[Any]]:
        """Values of the constant tensors that an operator or an output uses."""
        used = set(self.outputs)
        for operator in self.operators:
            used.update(_indices(operator.inputs))
        values: dict[int, NDArray[Any]] = {}
        for index in sorted(i for i in used if i >= 0 and self.tensors[i].is_constant):
            tensor = graph.tensors[index]
            readable = tensor.type in DTYPES and not self.tensors[index].is_sparse
            if readable and (value := self.model.constant(tensor)) is not None:
                values[index] = value.view()
                values[index].flags.writeable = False
        return values

    def name(self, index: int) -> str:
        """The name of an operator, or its custom code."""
        return self.model.operator_name(self.operators[index])

    def where(self, index: int) -> str:
        """`operator 3 (CONV_2D)`, for messages."""
        return f"operator {index} ({self.name(index)})"

    def context(self, index: int) -> OpContext:
        """The context of an operator with the values of its constant inputs."""
        operator = self.operators[index]
        inputs = [None if i < 0 else self.tensors[i] for i in _indices(operator.inputs)]
        custom = operator.customOptions
        return OpContext(
            model=self.model,
            name=self.name(index),
            index=index,
            input_tensors=inputs,
            output_tensors=[self.tensors[i] for i in _indices(operator.outputs)],
            options=operator.builtinOptions,
            custom_options=b"" if custom is None else np.asarray(custom, dtype=np.uint8).tobytes(),
            rounding=self.rounding,
            inputs=[None if info is None else self.constants.get(info.index) for info in inputs],
        )


def _check_tensor(info: TensorInfo) -> None:
    if info.type not in DTYPES:
        raise UnsupportedError(f"{info} has type {info.type_name}")
    if info.is_sparse:
        raise UnsupportedError(f"{info} is stored in the schema's sparse form")
    if any(dim < 0 for dim in info.shape):
        raise UnsupportedError(f"{info} has a dynamic shape {list(info.shape)}")
    if info.is_variable:
        raise UnsupportedError(f"{info} keeps its value from one run to the next")
    # A list of no indices is one; no operator computes with other tensors of no elements.
    if 0 in info.shape and not (info.is_constant and info.type == TensorType.INT32 and len(info.shape) == 1):
        raise UnsupportedError(f"{info} is empty: shape {list(info.shape)}")


def _check_operator(context: OpContext) -> None:
    operator = OPERATORS.get(context.name)
    if operator is None:
        raise UnsupportedError("the reference interpreter has no such operator")
    tensors = [*(info for info in context.input_tensors if info is not None), *context.output_tensors]
    for info in tensors:
        _check_tensor(info)
    working = sum(info.size * (_WEIGHT_BYTES if info.is_constant else _WORKING_BYTES) for info in tensors)
    if working > MEMORY_LIMIT:
        raise UnsupportedError(f"it needs about {working} bytes of working memory, more than {MEMORY_LIMIT}")
    if operator.check is not None:
        context.cached(operator.check)


def _check_memory(program: _Program) -> None:
    total = 0
    for info in program.tensors:
        if info.type in DTYPES and all(dim >= 0 for dim in info.shape):
            total += element_count(info.shape) * info.dtype.itemsize
    if total > MEMORY_LIMIT:
        raise UnsupportedError(f"the tensors of the model take {total} bytes, more than {MEMORY_LIMIT}")


def _check_order(program: _Program) -> list[str]:
    """ModelError unless every tensor an operator reads has a value by then, and no constant is written.

    An operator that the interpreter lacks may use its inputs as it likes: as scratch, for one. Returns a line for each
    tensor whose value the interpreter cannot keep: one that is written twice, an output that keeps its value.
    """
    constants = {info.index for info in program.tensors if info.is_constant}
    known = {*program.inputs, *constants, *(info.index for info in program.tensors if info.is_variable)}
    written, problems = set(program.inputs), []
    for index, operator in enumerate(program.operators):
        for tensor in _indices(operator.inputs) if program.name(index) in OPERATORS else ():
            if tensor >= 0 and tensor not in known:
                raise ModelError(f"{program.where(index)} reads {program.tensors[tensor]}, which nothing has computed")
        for tensor in _indices(operator.outputs):
            if tensor < 0 or tensor in constants:
                raise ModelError(f"{program.where(index)} writes tensor {tensor}, which is constant")
            if tensor in written:
                problems.append(f"{program.where(index)} writes {program.tensors[tensor]}, which has a value already")
            written.add(tensor)
            known.add(tensor)
    for tensor in program.outputs:
        if tensor not in known:
            raise ModelError(f"the model's output {program.tensors[tensor]} is never computed")
        if tensor not in written and tensor not in constants:
            problems.append(f"the model's output {program.tensors[tensor]} keeps its value from one run to the next")
    return problems


def unsupported(model: TfliteModel) -> list[str]:
    """One line per operator of subgraph 0 that the interpreter cannot run, naming operator, index and reason.

    Raises ModelError for a malformed model, UnsupportedError when it is too large to run at all.
    """
    program = shielded(_Program, model, "tflm")
    return shielded(_checked_contexts, program)[1]


def _checked_contexts(program: _Program) -> tuple[list[OpContext], list[str]]:
    """The contexts of the operators that can run, and a line for each that cannot."""
    _check_memory(program)
    problems = _check_order(program)
    contexts = []
    for index in range(len(program.operators)):
        where = program.where(index)
        try:
            context = _guarded(where, program.context, index)
            _guarded(where, _check_operator, context)
            contexts.append(context)
        except UnsupportedError as error:
            problems.append(str(error))
    return contexts, problems


_SHOWN_PROBLEMS = 5


class Interpreter:
    """Executes subgraph 0 of a model.

    `rounding` says whose bits are produced where the runtimes differ: "tflm" (the device) or "litert"
    (LiteRT's reference kernels). What depends on the model only is computed once and kept across runs. The
    model must not be changed while an interpreter for it is in use.
    """

    def __init__(self, model: TfliteModel, rounding: Rounding = "tflm") -> None:
        """Raises UnsupportedError or ModelError when the model cannot be run."""
        self._program = shielded(_Program, model, rounding)
        self._contexts, problems = shielded(_checked_contexts, self._program)
        if problems:
            more = len(problems) - _SHOWN_PROBLEMS
            shown = "; ".join(problems[:_SHOWN_PROBLEMS])
            raise UnsupportedError(shown + (f"; and {more} more" if more > 0 else ""))

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The model's outputs, in order, for its inputs, in order."""
        values = self._execute(inputs)
        return [np.array(values[index]) for index in self._program.outputs]

    def run_all(self, inputs: Sequence[NDArray[Any]]) -> dict[int, NDArray[Any]]:
        """Every tensor that has a value, by tensor index: inputs, used constants and all results."""
        return self._execute(inputs)

    def _execute(self, inputs: Sequence[NDArray[Any]]) -> dict[int, NDArray[Any]]:
        values = dict(self._program.constants)
        values.update(self._checked_inputs(inputs))
        with single_threaded():
            for context in self._contexts:
                self._execute_operator(context, values)
        return values

    def _checked_inputs(self, inputs: Sequence[NDArray[Any]]) -> dict[int, NDArray[Any]]:
        expected = self._program.inputs
        if len(inputs) != len(expected):
            raise UsageError(f"{len(inputs)} inputs given, the model has {len(expected)}")
        checked = {}
        for position, (index, given) in enumerate(zip(expected, inputs, strict=True)):
            info = self._program.tensors[index]
            array = np.asarray(given)
            if array.shape != info.shape or array.dtype != info.dtype:
                raise UsageError(
                    f"input {position} ({info.name!r}): expected {info.dtype} {list(info.shape)}, "
                    f"got {array.dtype} {list(array.shape)}"
                )
            checked[index] = array
        return checked

    def _execute_operator(self, context: OpContext, values: dict[int, NDArray[Any]]) -> None:
        where = f"operator {context.index} ({context.name})"
        context.inputs = [None if info is None else values[info.index] for info in context.input_tensors]
        results = _guarded(where, OPERATORS[context.name].run, context)
        if len(results) != len(context.output_tensors):
            raise ModelError(f"{where}: computed {len(results)} outputs, declared {len(context.output_tensors)}")
        for info, result in zip(context.output_tensors, results, strict=True):
            if result.shape != info.shape or result.dtype != info.dtype:
                raise ModelError(
                    f"{where}: computed {result.dtype} {list(result.shape)} for {info}, "
                    f"declared {TYPE_NAMES[info.type]} {list(info.shape)}"
                )
            values[info.index] = result
