"""Checks of a parsed model's contents: each wrong index, size or count is refused with its place."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite.checks import ELEMENT_NBITS, check
from wpconvert.formats.tflite.schema import DTYPES, TYPE_NAMES, TensorType

UNSIZED = {TensorType.STRING, TensorType.RESOURCE, TensorType.VARIANT}


def ints(*values: int) -> Any:
    return np.array(values, np.int32)


def quantization(scales: int, points: int, axis: int = 0) -> Any:
    return schema.QuantizationParametersT(
        scale=np.full(scales, 0.5, np.float32), zeroPoint=np.zeros(points, np.int64), quantizedDimension=axis
    )


def sound_model() -> Any:
    """Two subgraphs; in the first, one operator with a constant int8[2, 3] tensor 1 quantised per row."""
    int8 = TensorType.INT8
    tensors = [
        schema.TensorT(shape=ints(1, 3), type=int8, name="x", quantization=quantization(1, 1)),
        schema.TensorT(shape=ints(2, 3), type=int8, buffer=1, name="w", quantization=quantization(2, 2)),
        schema.TensorT(shape=ints(1, 2), type=int8, name="y"),
    ]
    operator = schema.OperatorT(inputs=ints(0, 1, -1), outputs=ints(2), intermediates=ints(-1))
    operator.builtinOptions = schema.IfOptionsT(thenSubgraphIndex=1, elseSubgraphIndex=1)
    graph = schema.SubGraphT(tensors=tensors, inputs=ints(0), outputs=ints(2), operators=[operator])
    other = schema.SubGraphT(tensors=[schema.TensorT()], inputs=ints(), outputs=ints(), operators=[])
    entry = schema.TensorMapT(name="x", tensorIndex=0)
    return schema.ModelT(
        version=3,
        operatorCodes=[schema.OperatorCodeT()],
        subgraphs=[graph, other],
        buffers=[schema.BufferT(), schema.BufferT(data=np.zeros(6, np.uint8))],
        metadata=[schema.MetadataT(name=b"note", buffer=1)],
        metadataBuffer=ints(1),
        signatureDefs=[schema.SignatureDefT(signatureKey=b"serve", inputs=[entry], subgraphIndex=0)],
        externalBufferGroups=[schema.ExternalBufferGroupT()],
        externalBuffers=[schema.ExternalBufferT(id=9, group=0)],
    )


def test_sound_model_passes() -> None:
    check(sound_model())


def graph(root: Any) -> Any:
    return root.subgraphs[0]


def setter(path: str, value: Any) -> Callable[[Any], None]:
    """A change of a model by the path of one field, `subgraphs.0.tensors.1.buffer`."""

    def change(root: Any) -> None:
        *parents, last = path.split(".")
        for name in parents:
            root = root[int(name)] if name.isdigit() else getattr(root, name)
        setattr(root, last, value)

    return change


OPERATOR = "subgraphs.0.operators.0."
WEIGHTS = "subgraphs.0.tensors.1."

WRONG: list[tuple[str, Any, str]] = [
    ("subgraphs", [], r"Model.subgraphs: expected at least one subgraph"),
    ("subgraphs", None, r"Model.subgraphs: expected at least one subgraph"),
    ("buffers", None, r"Model.buffers: expected a list"),
    ("subgraphs.1.tensors", None, r"subgraph 1: expected a list of tensors"),
    ("subgraphs.1.operators", None, r"subgraph 1: expected a list of tensors and one of operators"),
    (
        OPERATOR + "opcodeIndex",
        1,
        r"subgraph 0, operator 0: expected operator code indices from 0 to 0, found 1",
    ),
    (OPERATOR + "inputs", ints(0, 3), r"operator 0: inputs: expected tensor indices from -1 to 2, found 3"),
    (OPERATOR + "inputs", ints(-2), r"operator 0: inputs: .* found -2"),
    (OPERATOR + "outputs", ints(-1), r"operator 0: outputs: expected tensor indices from 0 to 2, found -1"),
    (OPERATOR + "outputs", ints(3), r"operator 0: outputs: .* found 3"),
    (OPERATOR + "intermediates", ints(7), r"operator 0: intermediates: .* found 7"),
    (OPERATOR + "builtinOptions.thenSubgraphIndex", 2, r"thenSubgraphIndex: expected subgraph .* found 2"),
    ("subgraphs.0.inputs", ints(-1), r"subgraph 0: inputs: .* found -1"),
    ("subgraphs.0.outputs", ints(3), r"subgraph 0: outputs: .* found 3"),
    (WEIGHTS + "buffer", 2, r"subgraph 0, tensor 1 \('w'\): expected buffer indices from 0 to 1, found 2"),
    (WEIGHTS + "buffer", 0xFFFFFFFF, r"expected buffer indices"),
    (WEIGHTS + "externalBuffer", 8, r"tensor 1 \('w'\): expected the id of an external buffer, found 8"),
    (WEIGHTS + "shape", ints(-1, 3), r"expected a shape without negative sizes, found \[-1, 3\]"),
    (WEIGHTS + "shape", ints(65536, 65536), r"expected at most 2147483647 elements"),
    (WEIGHTS + "shape", ints(2, 4), r"expected 8 bytes in buffer 1 for INT8 \[2, 4\], found 6"),
    (WEIGHTS + "shape", ints(*range(33)), r"expected at most 32 dimensions, found 33"),
    (WEIGHTS + "shapeSignature", ints(*range(40)), r"expected at most 32 dimensions"),
    (WEIGHTS + "type", TensorType.FLOAT32, r"expected 24 bytes in buffer 1 for FLOAT32"),
    (WEIGHTS + "quantization", quantization(2, 3), r"expected one zero point per scale \(2\), found 3"),
    (
        WEIGHTS + "quantization.details",
        schema.BlockwiseQuantizationT(scales=3),
        r"quantisation details: .* 3",
    ),
    ("metadata.0.buffer", 2, r"Model.metadata: expected buffer indices from 0 to 1, found 2"),
    ("metadataBuffer", ints(-1), r"Model.metadata_buffer: expected buffer indices from 0 to 1, found -1"),
    ("externalBuffers.0.group", 1, r"Model.external_buffers: expected group indices from 0 to 0, found 1"),
]


def _case_id(path: str, value: Any, *_: str) -> str:
    """The same in every process: objects by their type, not their address."""
    shown = type(value).__name__ if type(value).__module__ != "builtins" else repr(value)
    return f"{path}={shown}"[:80]


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=[_case_id(*case) for case in WRONG])
def test_wrong_contents_are_refused_with_their_place(path: str, value: Any, message: str) -> None:
    root = sound_model()
    setter(path, value)(root)
    with pytest.raises(ModelError, match=message):
        check(root)


ODD: list[tuple[str, Any, str]] = [
    (WEIGHTS + "shape", ints(2, 2), r"tensor 1 \('w'\): its buffer has 6 bytes, but only 4 are needed"),
    (WEIGHTS + "shapeSignature", ints(-2, 3), r"a size below −1 in its shape signature \[-2, 3\]"),
    (WEIGHTS + "quantization", quantization(3, 3), r"3 scales for 2 slices of dimension 0"),
    (WEIGHTS + "quantization", quantization(2, 2, 2), r"quantised along dimension 2 of 2"),
    (WEIGHTS + "quantization", quantization(2, 2, -1), r"quantised along dimension -1 of 2"),
    (WEIGHTS + "quantization.scale", np.array([1, np.nan], np.float32), r"a scale that is not finite, nan"),
    (WEIGHTS + "quantization.scale", np.array([1, np.inf], np.float32), r"a scale that is not finite, inf"),
    (WEIGHTS + "quantization.zeroPoint", np.array([0, 1 << 40]), r"zero points beyond 32 bits, 0 to 1099511627776"),
    (
        WEIGHTS + "quantization.details",
        schema.MultiAxisQuantizationT(quantizedDimensions=ints(2)),
        r"quantisation details: expected dimension indices from 0 to 1, found 2",
    ),
    ("signatureDefs.0.subgraphIndex", 2, r"signature 0 \('serve'\): expected subgraph indices"),
    (
        "signatureDefs.0.inputs.0.tensorIndex",
        3,
        r"signature 0 \('serve'\): expected tensor indices from 0 to 2",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), ODD, ids=[_case_id(*case) for case in ODD])
def test_what_nobody_must_read_is_noted_with_its_place(path: str, value: Any, message: str) -> None:
    root = sound_model()
    setter(path, value)(root)
    (note,) = check(root)
    assert re.search(message, note)


def test_one_note_tells_of_all_places() -> None:
    root = sound_model()
    for tensor in graph(root).tensors:
        tensor.quantization = quantization(1, 1, 3)
    (note,) = check(root)
    assert note.startswith("subgraph 0, tensor 0 ('x') and 2 others: ")


def test_messages_stay_one_short_line_whatever_the_file_holds() -> None:
    root = sound_model()
    graph(root).tensors[1].name = b"line\none" + bytes(100_000)
    graph(root).tensors[1].shape = ints(*[-1] * 100_000)
    with pytest.raises(ModelError) as caught:
        check(root)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_shape_of_very_many_dimensions_is_refused_at_once() -> None:
    root = sound_model()
    graph(root).tensors[2].shape = np.full(300_000, 0x7FFFFFFF, np.int32)
    begin = time.perf_counter()
    with pytest.raises(ModelError, match="dimensions"):
        check(root)
    assert time.perf_counter() - begin < 2


def test_signature_tensors_are_counted_in_the_signatures_own_subgraph() -> None:
    root = sound_model()
    root.signatureDefs[0].subgraphIndex = 1
    assert check(root) == ()
    root.signatureDefs[0].inputs[0].tensorIndex = 1
    assert "from 0 to 0, found 1" in check(root)[0]


ALLOWED: list[tuple[str, Any]] = [
    (WEIGHTS + "shapeSignature", ints(-1, 3)),
    (WEIGHTS + "quantization", quantization(1, 1, 1)),
    (WEIGHTS + "quantization", quantization(2, 1)),
    (WEIGHTS + "quantization", quantization(2, 0)),
    (WEIGHTS + "quantization", quantization(0, 0, 5)),
    (WEIGHTS + "quantization", None),
    (WEIGHTS + "buffer", 0),
    (WEIGHTS + "externalBuffer", 9),
    (WEIGHTS + "sparsity", schema.SparsityParametersT()),
    (OPERATOR + "builtinOptions", schema.StableHLOCompositeOptionsT(decompositionSubgraphIndex=-1)),
    ("metadata", None),
    ("metadataBuffer", None),
    ("signatureDefs", None),
]


@pytest.mark.parametrize(("path", "value"), ALLOWED, ids=[_case_id(*case) for case in ALLOWED])
def test_what_litert_accepts_is_accepted(path: str, value: Any) -> None:
    root = sound_model()
    setter(path, value)(root)
    assert check(root) == ()


def test_sparse_constants_may_be_smaller_than_their_shape() -> None:
    root = sound_model()
    root.buffers[1].data = np.zeros(2, np.uint8)
    graph(root).tensors[1].sparsity = schema.SparsityParametersT()
    check(root)


@pytest.mark.parametrize(("kind", "nbytes"), [(TensorType.INT4, 3), (TensorType.UINT4, 3), (TensorType.INT2, 2)])
def test_packed_constants_end_with_a_whole_byte(kind: int, nbytes: int) -> None:
    root = sound_model()
    tensor = graph(root).tensors[1]
    tensor.type, tensor.shape, tensor.quantization = kind, ints(5), None
    for size, notes in ((nbytes, 0), (nbytes + 1, 1)):
        root.buffers[1].data = np.zeros(size, np.uint8)
        assert len(check(root)) == notes
    root.buffers[1].data = np.zeros(nbytes - 1, np.uint8)
    with pytest.raises(ModelError, match=f"expected {nbytes} bytes"):
        check(root)


def test_every_tensor_type_has_a_size_or_is_known_to_have_none() -> None:
    assert set(ELEMENT_NBITS) | UNSIZED == set(TYPE_NAMES)
    assert not set(ELEMENT_NBITS) & UNSIZED
    assert all(ELEMENT_NBITS[kind] == 8 * dtype.itemsize for kind, dtype in DTYPES.items())


def test_unknown_tensor_type_and_schema_version_are_unsupported() -> None:
    for path, value in (("subgraphs.0.tensors.0.type", 100), ("version", 2)):
        root = sound_model()
        setter(path, value)(root)
        with pytest.raises(UnsupportedError):
            check(root)


def test_constants_compressed_by_tflm_are_unsupported_rather_than_malformed() -> None:
    root = sound_model()
    root.buffers[1].data = np.zeros(2, np.uint8)
    root.metadata[0].name = b"COMPRESSION_METADATA"
    with pytest.raises(UnsupportedError, match="compressed by TFLM"):
        check(root)
