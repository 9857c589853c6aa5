"""Compare an original with a rewritten `.onnx` file: weights by decoding, outputs by running both in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from wpconvert.engines import ONNX_ENGINE, Sample
from wpconvert.engines.base import Advance
from wpconvert.engines.coverage import unexercised_outputs
from wpconvert.engines.inputs import Inputs
from wpconvert.errors import ModelError, UnsupportedError, UsageError
from wpconvert.files import staging
from wpconvert.formats.onnx import metadata
from wpconvert.formats.onnx.compressed import Compressed, find_compressed, is_decoder
from wpconvert.formats.onnx.constants import constants_of, value_of
from wpconvert.formats.onnx.data import Bytes, load
from wpconvert.formats.onnx.decode import DOMAIN
from wpconvert.formats.onnx.file import OnnxModel, read, told_of
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.graphs import tensors_at
from wpconvert.formats.onnx.ports import interface_of, shape_of
from wpconvert.formats.onnx.restore import restore
from wpconvert.formats.onnx.tensors import data_of, raw_of
from wpconvert.formats.onnx.validity import invalidity
from wpconvert.job.verify import LOSSLESS, OF_DENSE, compare_output
from wpconvert.model.reasons import not_of_dense
from wpconvert.report.result import Verification

_Place = tuple[int, str, int]
"""Of a constant: its graph, its name, and _INITIALIZER or the part of a sparse one.

Those in other attributes of nodes have no name, but a number among them.
"""
_Loaded = tuple[int, tuple[int, ...], Bytes]
"""Type, shape and bytes."""
_Load = Callable[[], _Loaded]
_INITIALIZER = -1
_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")


def verify_onnx(first: OnnxModel, rewritten: Path, inputs: Inputs, advance: Advance = lambda: None) -> Verification:
    """Run a model and a rewritten file on the same samples and compare every output bit by bit, and all constants.

    Of a lossy model, the weights that were not pooled have to be equal, and the outputs to be those of its own dense
    model. `advance` is called twice a sample. Raises UsageError when the models have different inputs or outputs,
    UnsupportedError when ONNX Runtime does not run them, and what `read` raises.
    """
    second = read(rewritten)
    check_interfaces(first, second)
    if not inputs.samples:
        raise UsageError("no samples to compare: the inputs are empty")
    with told_of(rewritten):
        lost, lost_before = _lossy(second), _lossy(first)
        weights_equal = _equal(first, second, lost)
    before = run_file(first.path, inputs.samples, advance)
    after = run_file(rewritten, inputs.samples, advance)
    names = [value.name for value in first.proto.graph.output]
    outputs = tuple(compare_output(name, i, before, after, inputs.labels) for i, name in enumerate(names))
    same = all(output.equal for output in outputs) and (not lost or _equal(first, second, set()))
    # A lossy file beside itself, or one whose original was as lossy, has lost nothing.
    lossy = bool(lost) and not (same and lost_before >= lost)
    kept, notes = outputs, list(inputs.notes)
    if lossy:
        with staging(None) as folder:
            dense = Target.beside(folder / rewritten.name)
            restore(second, dense)
            own = run_file(dense.model, inputs.samples, lambda: None)
        kept = tuple(compare_output(name, i, own, after, None) for i, name in enumerate(names))
        notes += not_of_dense([(output.name, output.different) for output in kept if not output.equal])
    if not all(output.equal for output in kept):
        notes += _random_notes(first)
    passed = weights_equal and all(output.equal for output in kept)
    promise = OF_DENSE if lossy else LOSSLESS
    count = len(inputs.samples)
    return Verification(
        passed,
        promise,
        ONNX_ENGINE.name,
        count,
        weights_equal,
        outputs,
        tuple(notes),
        lossy,
        unexercised=unexercised_outputs(names, before),
    )


def _random_notes(model: OnnxModel) -> list[str]:
    """What to say of a model whose outputs no two runs have in common."""
    nodes = [node for scope in model.scopes for node in scope.body.node if node.op_type in _RANDOM]
    return [f"{nodes[0].op_type} draws random numbers: two runs of the original differ too"] if nodes else []


def run_file(path: Path, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
    """The outputs of a model; ModelError for one that is not valid, UnsupportedError for others that do not run."""
    try:
        return ONNX_ENGINE.run(path, samples, advance)
    except UnsupportedError as error:
        problem = invalidity(path)
        if problem is not None:
            raise ModelError(f"{path}: {problem}") from error
        hint = "; if these inputs do not suit it, give others with --inputs" if "while running" in str(error) else ""
        raise UnsupportedError(f"{path}: {error}{hint}") from error


def check_interfaces(first: OnnxModel, second: OnnxModel) -> None:
    """UsageError unless both models have inputs and outputs of the same names, shapes and types."""
    for end, ours, theirs in zip(("inputs", "outputs"), interface_of(first), interface_of(second), strict=True):
        sides = [[(v.name, v.type.tensor_type.elem_type, shape_of(v)) for v in side] for side in (ours, theirs)]
        if sides[0] != sides[1]:
            shown = [[f"{name} {list(shape or ())}" for name, _, shape in side] for side in sides]
            raise UsageError(
                f"the models have different {end}: {', '.join(shown[0])} and {', '.join(shown[1])}; "
                "they are not two forms of one model"
            )


def _lossy(model: OnnxModel) -> set[tuple[int, str]]:
    """The weights that were changed before they were stored."""
    provenance = metadata.read(model.proto)
    return {(r.graph, r.name) for r in provenance.tensors if r.lossy} if provenance is not None else set()


def _equal(first: OnnxModel, second: OnnxModel, lossy: set[tuple[int, str]]) -> bool:
    """Whether all constants of two models are the same, but for those that are lossy. One of each is in memory."""
    ours, theirs = _constants(first), _constants(second)
    if ours.keys() != theirs.keys():
        return False
    for place, load_ours in ours.items():
        (data_type, shape, data), (other_type, other_shape, other) = load_ours(), theirs[place]()
        if (data_type, shape) != (other_type, other_shape):
            return False
        if place[:2] not in lossy and not np.array_equal(data, other):
            return False
    return True


def _constants(model: OnnxModel) -> dict[_Place, _Load]:
    """Initializers, values of Constant nodes, those that are compressed as they decode, and tensors of other nodes."""
    found: dict[_Place, _Load] = {}
    parts: set[tuple[int, str]] = set()
    for compressed in find_compressed(model):
        parts.update((compressed.number, name) for name in compressed.node.input)
        found[compressed.number, compressed.name, _INITIALIZER] = partial(_load_compressed, model, compressed)
    scopes = [scope for scope in model.scopes if not is_decoder(scope)]
    for number, scope in enumerate(scopes):
        for tensor in scope.graph.initializer if scope.graph is not None else ():
            if (number, tensor.name) not in parts:
                found[number, tensor.name, _INITIALIZER] = partial(_load, model, tensor)
        for constant in constants_of(scope):
            if constant.node is not None and constant.node.attribute[0].name != "sparse_value":
                found[number, constant.name, _INITIALIZER] = partial(_load, model, constant.tensor)
        for sparse in scope.graph.sparse_initializer if scope.graph is not None else ():
            for index, tensor in enumerate((sparse.values, sparse.indices)):
                found[number, sparse.values.name, index] = partial(_load, model, tensor)
        nodes = (node for node in scope.body.node if node.domain != DOMAIN and value_of(node) is None)
        tensors = (tensor for node in nodes for attribute in node.attribute for tensor in tensors_at(attribute))
        found |= {(number, "", index): partial(_load, model, tensor) for index, tensor in enumerate(tensors)}
    return found


def _load(model: OnnxModel, tensor: TensorProto) -> _Loaded:
    data = data_of(tensor, model.files)
    # Types that are not read are compared as they are written.
    raw = np.frombuffer(tensor.SerializeToString(), np.uint8) if data is None else load(data)
    return tensor.data_type, tuple(tensor.dims), raw


def _load_compressed(model: OnnxModel, compressed: Compressed) -> _Loaded:
    values = compressed.decode(model)
    data_type = helper.np_dtype_to_tensor_dtype(values.dtype)
    return data_type, values.shape, raw_of(values, data_type)
