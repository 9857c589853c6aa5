"""Parsing and writing `.tflite` files: nothing is lost, buffers are aligned, outside data comes in."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from wpconvert.errors import FileError, ModelError, UnsupportedError
from wpconvert.formats.tflite import file as tflite_file
from wpconvert.formats.tflite.file import parse, read, serialise
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.schema import BuiltinOperator, BuiltinOptions, TensorType

SHARED = Path(__file__).resolve().parents[3] / "shared" / "models"
SHARED_MODELS = sorted(SHARED.glob("*/*.tflite"))


def ints(*values: int, dtype: str = "<i4") -> Any:
    return np.array(values, dtype)


def pack(root: Any) -> bytes:
    """The model as the plain object API writes it."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(root.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def plain_model() -> Any:
    """One custom operator with a constant int8[4] input, its code in the deprecated field only."""
    tensors = [
        schema.TensorT(shape=ints(4), type=TensorType.INT8, buffer=1, name="constant"),
        schema.TensorT(shape=ints(4), type=TensorType.INT8, buffer=0, name="result"),
    ]
    operator = schema.OperatorT(inputs=ints(0), outputs=ints(1))
    graph = schema.SubGraphT(tensors=tensors, inputs=ints(), outputs=ints(1), operators=[operator])
    return schema.ModelT(
        version=3,
        operatorCodes=[schema.OperatorCodeT(deprecatedBuiltinCode=BuiltinOperator.CUSTOM, customCode="COPY")],
        subgraphs=[graph],
        buffers=[schema.BufferT(), schema.BufferT(data=np.array([1, 2, 3, 4], np.uint8))],
    )


def sparsity() -> Any:
    int32 = schema.SparseIndexVector.Int32Vector
    uint8 = schema.SparseIndexVector.Uint8Vector
    uint16 = schema.SparseIndexVector.Uint16Vector
    dense = schema.DimensionMetadataT(denseSize=2)
    mixed = schema.DimensionMetadataT(
        format=1,
        arraySegmentsType=uint8,
        arraySegments=schema.Uint8VectorT(values=np.array([0, 1, 2], np.uint8)),
        arrayIndicesType=uint16,
        arrayIndices=schema.Uint16VectorT(values=np.array([1, 3], np.uint16)),
    )
    wide = schema.DimensionMetadataT(
        format=1, arraySegmentsType=int32, arraySegments=schema.Int32VectorT(values=ints(0, 1, 2))
    )
    return schema.SparsityParametersT(traversalOrder=ints(0, 1), blockMap=ints(), dimMetadata=[dense, mixed, wide])


def rich_model() -> Any:
    """A model that uses every part of the schema that passes through untouched."""
    quantized = schema.QuantizationParametersT(
        min=np.array([-1, -2], np.float32),
        max=np.array([1, 2], np.float32),
        scale=np.array([0.5, 0.25], np.float32),
        zeroPoint=np.array([0, 0], np.int64),
        quantizedDimension=0,
    )
    detailed = schema.QuantizationParametersT(
        detailsType=schema.QuantizationDetails.CustomQuantization,
        details=schema.CustomQuantizationT(custom=np.arange(5, dtype=np.uint8)),
    )
    blockwise = schema.QuantizationParametersT(
        detailsType=schema.QuantizationDetails.BlockwiseQuantization,
        details=schema.BlockwiseQuantizationT(scales=1, zeroPoints=-1, blockSize=2),
    )
    int8 = TensorType.INT8
    tensors = [
        schema.TensorT(
            shape=ints(2, 4),
            type=int8,
            buffer=2,
            name=b"\xff\xfe",
            quantization=quantized,
            sparsity=sparsity(),
        ),
        schema.TensorT(
            shape=ints(1, 4),
            type=int8,
            name="x",
            shapeSignature=ints(-1, 4),
            hasRank=True,
            quantization=detailed,
        ),
        schema.TensorT(
            shape=ints(),
            type=TensorType.VARIANT,
            isVariable=True,
            variantTensors=[schema.VariantSubTypeT(shape=ints(3), type=int8, hasRank=True)],
        ),
        schema.TensorT(shape=ints(3), type=TensorType.INT4, buffer=3, name="", quantization=blockwise),
    ]
    operators = [
        schema.OperatorT(
            opcodeIndex=0,
            inputs=ints(1, 0, -1),
            outputs=ints(2),
            builtinOptionsType=BuiltinOptions.Conv2DOptions,
            builtinOptions=schema.Conv2DOptionsT(strideW=2, dilationHFactor=3),
            intermediates=ints(-1, 3),
            mutatingVariableInputs=np.array([True, False, True]),
            debugMetadataIndex=7,
        ),
        schema.OperatorT(
            opcodeIndex=1,
            inputs=ints(1),
            outputs=ints(),
            customOptions=np.arange(7, dtype=np.uint8),
            builtinOptions2Type=schema.BuiltinOptions2.StablehloSortOptions,
            builtinOptions2=schema.StablehloSortOptionsT(dimension=1, comparatorSubgraphIndex=1),
        ),
        schema.OperatorT(opcodeIndex=2, inputs=ints(1), outputs=ints(1), builtinOptionsType=BuiltinOptions.AbsOptions),
    ]
    second = schema.SubGraphT(tensors=[], operators=[], inputs=ints(), outputs=ints(), name="second")
    return schema.ModelT(
        version=3,
        operatorCodes=[
            schema.OperatorCodeT(deprecatedBuiltinCode=3, builtinCode=3, version=2),
            schema.OperatorCodeT(deprecatedBuiltinCode=32, builtinCode=32, customCode="MINE"),
            schema.OperatorCodeT(deprecatedBuiltinCode=127, builtinCode=40_000),
        ],
        subgraphs=[
            schema.SubGraphT(tensors=tensors, inputs=ints(1), outputs=ints(2), operators=operators, name="main"),
            second,
        ],
        description="what it is",
        buffers=[
            schema.BufferT(),
            schema.BufferT(data=np.array([], np.uint8)),
            schema.BufferT(data=np.arange(3, dtype=np.uint8)),
            schema.BufferT(data=np.array([0x21, 0x03], np.uint8)),
        ],
        metadataBuffer=ints(2, 3),
        metadata=[schema.MetadataT(name="min_runtime_version", buffer=2)],
        signatureDefs=[
            schema.SignatureDefT(
                inputs=[schema.TensorMapT(name="in", tensorIndex=1)],
                outputs=[schema.TensorMapT(name="out", tensorIndex=2)],
                signatureKey="serving_default",
                subgraphIndex=0,
            )
        ],
        externalBufferGroups=[schema.ExternalBufferGroupT(name="weights.bin")],
        externalBuffers=[schema.ExternalBufferT(id=5, group=0, offset=16, length=64, packing="none")],
    )


def assert_same(found: Any, expected: Any, place: str = "Model") -> None:
    """Equal to the last bit and element type; str equals its UTF-8 bytes."""
    found, expected = (value.encode() if isinstance(value, str) else value for value in (found, expected))
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray), place
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), place
        assert found.tobytes() == expected.tobytes(), place
    elif isinstance(expected, list):
        assert len(found) == len(expected), place
        for index, (a, b) in enumerate(zip(found, expected, strict=True)):
            assert_same(a, b, f"{place}[{index}]")
    elif hasattr(expected, "__dict__"):
        assert type(found) is type(expected), place
        for name, value in vars(expected).items():
            assert_same(getattr(found, name), value, f"{place}.{name}")
    else:
        assert found == expected, place


def assert_aligned(data: bytes) -> None:
    model = schema.Model.GetRootAs(data, 0)
    origin = np.frombuffer(data, np.uint8).ctypes.data
    for index in range(model.BuffersLength()):
        if model.Buffers(index).DataLength():
            assert (model.Buffers(index).DataAsNumpy().ctypes.data - origin) % 16 == 0


@pytest.mark.skipif(not SHARED_MODELS, reason=f"no models in {SHARED}")
@pytest.mark.parametrize("path", SHARED_MODELS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_real_model_survives_parsing_and_writing_unchanged(path: Path) -> None:
    data, model = read(path)
    written = serialise(model)
    assert_aligned(written)
    assert_same(schema.ModelT.InitFromPackedBuf(written, 0), schema.ModelT.InitFromPackedBuf(data, 0))
    assert serialise(parse(written)) == written


def test_every_part_of_the_schema_survives_parsing_and_writing() -> None:
    written = serialise(parse(pack(rich_model())))
    assert_aligned(written)
    assert_same(parse(written).root, rich_model())
    assert serialise(parse(written)) == written


def test_custom_quantization_is_aligned_as_the_schema_asks() -> None:
    written = serialise(parse(pack(rich_model())))
    details = parse(written).root.subgraphs[0].tensors[1].quantization.details
    origin = np.frombuffer(written, np.uint8).ctypes.data
    assert (details.custom.ctypes.data - origin) % 16 == 0


def test_negative_zero_is_not_taken_for_the_default() -> None:
    root = plain_model()
    operator = root.subgraphs[0].operators[0]
    operator.builtinOptionsType = BuiltinOptions.LeakyReluOptions
    operator.builtinOptions = schema.LeakyReluOptionsT(alpha=-0.0)
    model = parse(serialise(parse(serialise(TfliteModel(root)))))
    assert math.copysign(1.0, model.root.subgraphs[0].operators[0].builtinOptions.alpha) == -1.0


def test_writing_leaves_the_model_as_it_was() -> None:
    root = rich_model()
    serialise(TfliteModel(root))
    assert_same(root, rich_model())


def test_absent_buffer_stays_absent_and_empty_one_empty() -> None:
    buffers = parse(serialise(parse(pack(rich_model())))).root.buffers
    assert buffers[0].data is None
    assert len(buffers[1].data) == 0


@pytest.mark.parametrize("data", [b"\x01\x02", [1, 2], np.array([1, 2], np.int8)], ids=["bytes", "list", "int8"])
def test_buffers_of_bytes_lists_and_signed_arrays_are_written(data: Any) -> None:
    root = plain_model()
    root.buffers.append(schema.BufferT(data=data))
    assert bytes(parse(serialise(TfliteModel(root))).root.buffers[-1].data) == b"\x01\x02"


def test_operator_named_only_in_the_deprecated_field_is_found() -> None:
    model = parse(pack(plain_model()))
    operator = model.root.subgraphs[0].operators[0]
    assert model.root.operatorCodes[0].builtinCode == 0
    assert model.is_custom(operator)
    assert model.operator_name(operator) == "COPY"


def test_absent_lists_that_callers_iterate_over_become_empty() -> None:
    root = plain_model()
    root.subgraphs[0].operators[0].inputs = None
    root.subgraphs[0].inputs = None
    root.subgraphs.append(schema.SubGraphT(tensors=[], operators=[]))
    model = parse(pack(root)).root
    assert len(model.subgraphs[0].operators[0].inputs) == 0
    assert len(model.subgraphs[0].inputs) == 0
    assert len(model.subgraphs[1].outputs) == 0


def with_outside_data(offset: int, size: int, copies: int = 1) -> Any:
    root = plain_model()
    root.buffers[1] = schema.BufferT(offset=offset, size=size)
    root.buffers += [schema.BufferT(offset=offset, size=size) for _ in range(copies - 1)]
    return root


def test_buffer_data_behind_the_flatbuffer_is_pulled_inside() -> None:
    begin = len(pack(with_outside_data(1 << 20, 4)))
    data = pack(with_outside_data(begin, 4)) + bytes([9, 8, 7, 6])
    model = parse(data)
    assert bytes(model.root.buffers[1].data) == bytes([9, 8, 7, 6])
    again = schema.ModelT.InitFromPackedBuf(serialise(model), 0)
    assert bytes(again.buffers[1].data) == bytes([9, 8, 7, 6])
    assert (again.buffers[1].offset, again.buffers[1].size) == (0, 0)


def test_data_that_several_buffers_share_is_written_once() -> None:
    payload = bytes(range(256)) * 256
    begin = len(pack(with_outside_data(1 << 20, len(payload), 5)))
    root = with_outside_data(begin, len(payload), 5)
    root.subgraphs[0].tensors[0].shape = ints(len(payload))
    model = parse(pack(root) + payload)
    written = serialise(model)
    assert len(written) < len(payload) + 2048
    assert all(bytes(buffer.data) == payload for buffer in parse(written).root.buffers[1:])


@pytest.mark.parametrize("offset", [0, 1])
def test_placeholder_offsets_mean_no_data(offset: int) -> None:
    model = parse(pack(with_outside_data(offset, 1)))
    assert model.root.buffers[1].data is None


@pytest.mark.parametrize(("offset", "size"), [(1 << 40, 4), (8, 1 << 63), (2, 100_000)])
def test_buffer_data_outside_the_file_is_refused(offset: int, size: int) -> None:
    with pytest.raises(ModelError, match=r"buffer 1: expected its data inside the file"):
        parse(pack(with_outside_data(offset, size)))


def test_overlapping_outside_regions_cannot_blow_up_the_model() -> None:
    root = plain_model()
    root.buffers += [schema.BufferT(offset=8 + i, size=2_000_000 - i) for i in range(20)]
    with pytest.raises(ModelError, match="overlapping"):
        parse(pack(root) + bytes(2_000_000))


def test_large_custom_options_are_pulled_inside() -> None:
    root = plain_model()
    operator = root.subgraphs[0].operators[0]
    operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize = 1 << 20, 3
    begin = len(pack(root))
    operator.largeCustomOptionsOffset = begin
    model = parse(serialise(parse(pack(root) + b"abc")))
    found = model.root.subgraphs[0].operators[0]
    assert bytes(found.customOptions) == b"abc"
    assert (found.largeCustomOptionsOffset, found.largeCustomOptionsSize) == (0, 0)
    with pytest.raises(ModelError, match=r"subgraph 0, operator 0: custom options: expected its data inside"):
        parse(pack(root) + b"ab")


def test_model_beyond_two_gibibytes_is_refused_before_building(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflite_file, "MAX_NBYTES", 3)
    with pytest.raises(UnsupportedError, match="4 bytes of data, a flatbuffer at most 3"):
        serialise(parse(pack(plain_model())))


def test_builder_overflow_is_reported_as_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flatbuffers.Builder, "MAX_BUFFER_SIZE", 256)
    with pytest.raises(UnsupportedError, match="does not fit a flatbuffer"):
        serialise(parse(serialise_unlimited()))


def serialise_unlimited() -> bytes:
    """The rich model's bytes, put together by a builder that never grows."""
    builder = flatbuffers.Builder(0)
    builder.Bytes, builder.head = bytearray(1 << 16), 1 << 16
    builder.Finish(rich_model().Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_unreadable_paths_are_file_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.tflite", tmp_path):
        with pytest.raises(FileError, match=str(path)):
            read(path)


def test_model_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(pack(plain_model())[:100])
    with pytest.raises(ModelError, match=f"^{path}: Model"):
        read(path)
    path.write_bytes(struct.pack("<I4s", 8, b"TFL9"))
    with pytest.raises(UnsupportedError, match=f"^{path}: expected a .tflite file"):
        read(path)
