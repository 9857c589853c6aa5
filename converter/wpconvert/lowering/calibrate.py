"""Static quantisation of a float model with ONNX Runtime's quantiser."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime import quantization, set_default_logger_severity
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
from onnxruntime.quantization.shape_inference import quant_pre_process

from wpconvert.engines.inputs import LABELS, by_input, load_arrays
from wpconvert.errors import FileError, UnsupportedError, UsageError, shortened
from wpconvert.formats.onnx_graphs import FIRST_CONSTANT_IR, inputs_of, replace_all
from wpconvert.lowering.affine import replace_batch_norms
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.biases import flatten_biases
from wpconvert.lowering.functions import fixed_scales, tabulated
from wpconvert.lowering.inline import inlined
from wpconvert.lowering.kinds import QDQ_WANTED, integers_of, quantises_activations
from wpconvert.lowering.operators import operator_names
from wpconvert.lowering.opset import OPSET, upgraded
from wpconvert.lowering.single import to_single
from wpconvert.temporary import temporary_folder

_QUANTISED = sorted({*QDQRegistry, *QLinearOpsRegistry, *operator_names()})
"""All that ONNX Runtime has rules for, and what can be lowered."""

_ERRORS, _WARNINGS = 3, 2
"""Severities of ONNX Runtime's log; the second is its default."""


class SampleReader(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Feeds one sample at a time; the arrays are [samples, ...] by input name."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        count = len(next(iter(arrays.values())))
        self._feeds: Iterator[dict[str, NDArray[Any]]] = (
            {name: values[index : index + 1] for name, values in arrays.items()} for index in range(count)
        )

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._feeds, None)


def calibrate(path: Path, samples: Path) -> onnx.ModelProto:
    """The model quantised for the runtime: QDQ, int8 activations, symmetric int8 weights per channel.

    `samples` is an `.npz` file with one array per input, named as it, [samples, ...] in the input's layout; names do
    not matter if the model has one input and the file one array plus `labels`. Activation ranges are the smallest
    and largest values seen. Raises FileError, UsageError for samples that do not fit, UnsupportedError.
    """
    with temporary_folder() as folder, _unlogged():
        source, prepared, quantised = (folder / name for name in ("model.onnx", "prepared.onnx", "quantised.onnx"))
        try:
            model = upgraded(inlined(onnx.load(path)), OPSET)
            _check_kind(model.graph)
            to_single(model)
            samples_by_name = _matched(model, _read(samples), samples)
            _drop_constant_inputs(model)
            _name_sums(model.graph)
            onnx.save(model, source)
            # Folds batch normalisation into convolutions, which the quantiser does not.
            quant_pre_process(source, prepared, skip_symbolic_shape=True)
            model = onnx.load(prepared)
            flatten_biases(model.graph)
            replace_batch_norms(model)
            _name_nodes(model.graph)
            exact = _exact_pools(model.graph)
            _separate_pools(model.graph, exact)
            left = [*exact, *tabulated(model.graph)]
            onnx.save(model, prepared)
            quantization.quantize_static(
                prepared,
                quantised,
                SampleReader(samples_by_name),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=_QUANTISED,
                nodes_to_exclude=left,
                per_channel=True,
                activation_type=quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
                extra_options={"TensorQuantOverrides": fixed_scales(model.graph)},
            )
        except (UsageError, FileError):
            raise
        except UnsupportedError as error:
            raise UnsupportedError(f"{path}: {error}") from error
        except Exception as error:
            # ONNX Runtime raises several classes, most of them its own, without a common base.
            raise UnsupportedError(f"{path}: ONNX Runtime cannot quantise the model: {shortened(error)}") from error
        return onnx.load(quantised)


@contextmanager
def _unlogged() -> Iterator[None]:
    """Without ONNX Runtime's log: errors say what matters of it, and its remarks are of tensors that it has made."""
    before = logging.root.manager.disable
    logging.disable()
    set_default_logger_severity(_ERRORS)
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        set_default_logger_severity(_WARNINGS)
        logging.disable(before)


def _check_kind(graph: onnx.GraphProto) -> None:
    if quantises_activations(graph):
        raise UnsupportedError("the model is already quantised; omit --calibrate")
    if integers := integers_of(graph):
        raise UnsupportedError(f"{integers} have no scale; give --calibrate the float model, or {QDQ_WANTED}")


def _drop_constant_inputs(model: onnx.ModelProto) -> None:
    """Initializers that are inputs, too, would stay inputs when they are folded."""
    graph = model.graph
    model.ir_version = max(model.ir_version, FIRST_CONSTANT_IR)
    replace_all(graph.input, inputs_of(graph))


def _name_nodes(graph: onnx.GraphProto) -> None:
    """Give each node a name of its own, by which the quantiser knows it."""
    taken: set[str] = set()
    for index, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}:{index}"
        taken.add(node.name)


def _name_sums(graph: onnx.GraphProto) -> None:
    """The quantiser knows the sum of two as Add alone."""
    for node in graph.node:
        if node.op_type == "Sum" and len(node.input) == 2:
            node.op_type = "Add"


def _exact_pools(graph: onnx.GraphProto) -> list[str]:
    """The names of the AveragePool nodes whose output gets a scale of its own.

    With the scale of the input, which the quantiser would give it, a quarter of the means of 2 x 2 values are ties, and
    ONNX Runtime rounds ties to even, the device away from zero. Where padding is not counted only the kernel that keeps
    the scale can compute the means.
    """
    found = []
    for node in graph.node:
        if node.op_type != "AveragePool":
            continue
        attributes = Attributes(node, node.name)
        ceils = attributes.integer("ceil_mode", 0)
        padded = any(attributes.integers("pads", ()) or ()) or ceils
        padded = padded or attributes.text("auto_pad", "NOTSET").startswith("SAME")
        if (attributes.integer("count_include_pad", 0) and not ceils) or not padded:
            found.append(node.name)
    return found


def _separate_pools(graph: onnx.GraphProto, exact: list[str]) -> None:
    """Put an Identity after the other AveragePool nodes.

    The quantiser takes a Relu away that follows an operator and gives its scale to that operator; these pools have to
    keep the scale of their input.
    """
    nodes = []
    outputs = {output.name for output in graph.output}
    for node in graph.node:
        nodes.append(node)
        if node.op_type == "AveragePool" and node.name not in exact and node.output[0] not in outputs:
            result = node.output[0]
            node.output[0] = f"{result}/pooled"
            nodes.append(onnx.helper.make_node("Identity", [node.output[0]], [result], f"{node.name}/Identity"))
    replace_all(graph.node, nodes)


def _read(samples: Path) -> dict[str, NDArray[Any]]:
    arrays = load_arrays(samples)
    if not arrays or any(values.ndim == 0 or len(values) == 0 for values in arrays.values()):
        raise UsageError(f"{samples}: expected arrays with at least one sample")
    return arrays


def _matched(model: onnx.ModelProto, arrays: dict[str, NDArray[Any]], samples: Path) -> dict[str, NDArray[Any]]:
    """The arrays by input name, in the inputs' types."""
    inputs = inputs_of(model.graph)
    names = [info.name for info in inputs]
    if LABELS not in names:
        arrays.pop(LABELS, None)
    arrays = by_input(arrays, names, samples)
    chosen = {}
    for info in inputs:
        chosen[info.name] = _typed(info, arrays[info.name], samples)
        _check_shape(info, chosen[info.name], samples)
    if len({len(values) for values in chosen.values()}) > 1:
        raise UsageError(f"{samples}: the arrays have different numbers of samples")
    return chosen


def _typed(info: onnx.ValueInfoProto, values: NDArray[Any], samples: Path) -> NDArray[Any]:
    """Samples in the type of an input, which must hold them."""
    wanted = onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
    if values.dtype.kind not in "fiub":
        raise UsageError(f"{samples}: {info.name!r} has samples of type {values.dtype}, expected {wanted}")
    with np.errstate(all="ignore"):
        typed = values.astype(wanted)
    if wanted.kind in "iub" and not np.array_equal(typed, values):
        raise UsageError(f"{samples}: {info.name!r} has {values.dtype} samples that do not fit {wanted}")
    if wanted.kind == "f" and not np.isfinite(typed).all():
        raise UsageError(f"{samples}: {info.name!r} has samples that are not finite")
    return typed


def _check_shape(info: onnx.ValueInfoProto, values: NDArray[Any], samples: Path) -> None:
    """Samples have the input's shape after the batch axis, as far as that is fixed; they are fed one by one."""
    batch, *wanted = [dim.dim_value for dim in info.type.tensor_type.shape.dim] or [0]
    if batch > 1:
        raise UnsupportedError(
            f"input {info.name!r} has batch size {batch}; export the model with a dynamic batch size or batch size 1"
        )
    found = list(values.shape[1:])
    if len(wanted) != len(found) or any(want not in (0, have) for want, have in zip(wanted, found, strict=True)):
        shown = f"{[want or '?' for want in wanted]}"
        raise UsageError(f"{samples}: {info.name!r} has samples of shape {found}, expected {shown}")
