"""The structural verifier: what is damaged or hostile is refused in one line, and nothing else escapes."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from wpconvert.errors import ModelError, UnsupportedError, WpconvertError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.schema_table import TABLES, UNIONS
from wpconvert.formats.tflite.verifier import verify

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "models"
LARGER = SHARED / "mlperf_tiny" / "kws_ref_model.tflite"


def pack(root: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(root.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def small_root(layers: int = 4) -> Any:
    """A chain of convolutions with per-channel weights, a signature and metadata: 2 to 4 KB."""
    int8 = schema.TensorType.INT8
    activation = schema.QuantizationParametersT(scale=np.array([0.5], np.float32), zeroPoint=np.array([3]))
    buffers = [schema.BufferT()]
    tensors = [schema.TensorT(shape=np.array([1, 4, 4, 2], np.int32), type=int8, name="in", quantization=activation)]
    operators = []
    for layer in range(layers):
        buffers.append(schema.BufferT(data=np.arange(36, dtype=np.uint8)))
        per_channel = schema.QuantizationParametersT(
            scale=np.array([0.5, 0.25], np.float32), zeroPoint=np.zeros(2, np.int64), quantizedDimension=0
        )
        weights = schema.TensorT(shape=np.array([2, 3, 3, 2], np.int32), type=int8, buffer=layer + 1, name=f"w{layer}")
        weights.quantization = per_channel
        shape = np.array([1, 4, 4, 2], np.int32)
        tensors += [
            weights,
            schema.TensorT(shape=shape, type=int8, name=f"y{layer}", quantization=activation),
        ]
        operators.append(
            schema.OperatorT(
                inputs=np.array([2 * layer, 2 * layer + 1, -1], np.int32),
                outputs=np.array([2 * layer + 2], np.int32),
                builtinOptionsType=schema.BuiltinOptions.Conv2DOptions,
                builtinOptions=schema.Conv2DOptionsT(strideW=1, strideH=1),
            )
        )
    graph = schema.SubGraphT(tensors=tensors, operators=operators, name="main")
    graph.inputs, graph.outputs = np.array([0], np.int32), np.array([2 * layers], np.int32)
    signature = schema.SignatureDefT(signatureKey="serve", inputs=[schema.TensorMapT(name="x", tensorIndex=0)])
    return schema.ModelT(
        version=3,
        operatorCodes=[schema.OperatorCodeT(deprecatedBuiltinCode=3, builtinCode=3)],
        subgraphs=[graph],
        buffers=buffers,
        metadata=[schema.MetadataT(name="note", buffer=1)],
        signatureDefs=[signature],
    )


SMALL = pack(small_root())


def patched(data: bytes, at: int, fmt: str, *values: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(fmt, changed, at, *values)
    return bytes(changed)


def table_at(data: bytes, *path: int) -> int:
    """Follow vectors of tables from the root table: pairs of a slot number and an index."""
    at: int = struct.unpack_from("<I", data, 0)[0]
    for slot, index in zip(path[::2], path[1::2], strict=True):
        place = field_at(data, at, slot)
        vector = place + struct.unpack_from("<I", data, place)[0]
        element = vector + 4 + 4 * index
        at = element + struct.unpack_from("<I", data, element)[0]
    return at


def field_at(data: bytes, table: int, slot: int) -> int:
    """Where field `slot` of the table at `table` lies."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    return int(table + struct.unpack_from("<H", data, vtable + 4 + 2 * slot)[0])


def test_committed_schema_table_is_what_the_installed_schema_gives() -> None:
    command = [sys.executable, str(ROOT / "tools" / "generate_schema_table.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def filled(table: str) -> Any:
    """A table with every field set to something other than its default."""
    made = getattr(schema, table + "T")()
    names = {name.lower(): name for name in vars(made)}
    for word in TABLES[table].split():
        field, form = word.split(":")
        name = names.get(field.replace("_", "").lower(), "")
        if form in ("1", "2", "4", "8"):
            setattr(made, name, type(getattr(made, name))(not getattr(made, name)))
        elif form == "str":
            setattr(made, name, b"text")
        elif form.startswith("["):
            setattr(made, name, np.arange(3, dtype=f"<u{form[1]}"))
    return made


@pytest.mark.parametrize("union", ["BuiltinOptions", "BuiltinOptions2", "QuantizationDetails"])
def test_every_options_table_with_every_field_set_is_accepted(union: str) -> None:
    for kind, table in enumerate(UNIONS[union].split(), start=1):
        root = small_root(1)
        if union == "QuantizationDetails":
            quantization = root.subgraphs[0].tensors[0].quantization
            quantization.detailsType, quantization.details = kind, filled(table)
        elif union == "BuiltinOptions":
            root.subgraphs[0].operators[0].builtinOptionsType = kind
            root.subgraphs[0].operators[0].builtinOptions = filled(table)
        else:
            root.subgraphs[0].operators[0].builtinOptions2Type = kind
            root.subgraphs[0].operators[0].builtinOptions2 = filled(table)
        verify(pack(root))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "an empty file"),
        (b"\x00\x01", "only 2 bytes"),
        (b"These are no weights.\n", "text"),
        (b"PK\x03\x04" + bytes(60), "a zip archive"),
        (b"\x08\x08\x12\x07pytorch" + bytes(60), "what looks like an ONNX"),
        (b"\x1c\x00\x00\x00ABCD" + bytes(60), "identifier b'ABCD'"),
    ],
)
def test_foreign_files_are_named_in_one_line(data: bytes, found: str) -> None:
    with pytest.raises(ModelError, match=f"expected a .tflite file .*, found {found}") as caught:
        verify(data)
    assert "\n" not in str(caught.value)


def test_other_schema_version_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="another schema version"):
        verify(patched(SMALL, 4, "4s", b"TFL4"))  # type: ignore[arg-type]


def test_memoryview_is_accepted() -> None:
    verify(memoryview(SMALL))


def test_small_model_cut_at_every_byte_is_a_model_error() -> None:
    for length in range(len(SMALL)):
        with pytest.raises(ModelError):
            parse(SMALL[:length])


@pytest.mark.skipif(not LARGER.is_file(), reason=f"no {LARGER}")
def test_larger_model_cut_anywhere_is_a_model_error_or_still_whole() -> None:
    data = LARGER.read_bytes()
    for length in random.Random(1).sample(range(len(data)), 300):
        try:
            parse(data[:length])
        except ModelError:
            continue
        assert not any(data[length:])


MUTATIONS = """
import random, resource, struct, sys
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (100, 100))
from wpconvert.errors import WpconvertError
from wpconvert.formats.tflite.file import parse, serialise
data = sys.stdin.buffer.read()
rng = random.Random(20)
words = (0, 1, 4, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC)
refused = 0
for count in range(6000):
    changed = bytearray(data)
    if count % 2:
        changed[rng.randrange(len(data))] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
    else:
        word = rng.choice((*words, rng.randrange(len(data)), rng.getrandbits(32)))
        struct.pack_into("<I", changed, rng.randrange(0, len(data) - 4, 4), word)
    try:
        parse(serialise(parse(bytes(changed))))
    except WpconvertError as error:
        assert "\\n" not in str(error)
        refused += 1
print(refused)
"""


def test_mutations_end_in_one_error_line_or_a_model_that_survives_writing() -> None:
    command = [sys.executable, "-c", MUTATIONS]
    result = subprocess.run(command, input=SMALL, capture_output=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr.decode()[-2000:]
    assert 600 < int(result.stdout) < 5400


def test_vector_longer_than_the_file_is_refused_with_its_place() -> None:
    place = field_at(SMALL, table_at(SMALL, 2, 0, 0, 3), 0)
    length = place + struct.unpack_from("<I", SMALL, place)[0]
    expected = r"^Model.subgraphs\[0\].tensors\[3\].shape: expected a vector inside the file, found 4294967295"
    with pytest.raises(ModelError, match=expected):
        verify(patched(SMALL, length, "<I", 0xFFFFFFFF))


def test_offset_to_itself_and_past_the_end_is_refused_with_its_place() -> None:
    place = field_at(SMALL, table_at(SMALL, 2, 0, 3, 2), 4)
    for distance in (0, len(SMALL), 0xFFFFFFFC):
        with pytest.raises(ModelError, match=r"^Model.subgraphs\[0\].operators\[2\].builtin_options: expected"):
            verify(patched(SMALL, place, "<I", distance))


def test_vtable_outside_the_file_is_refused() -> None:
    root = table_at(SMALL)
    for distance in (-0x80000000, 0x7FFFFFFE, -len(SMALL), root + 2, 1):
        with pytest.raises(ModelError, match=r"^Model: expected an even vtable"):
            verify(patched(SMALL, root, "<i", distance))


def test_field_outside_its_table_is_refused() -> None:
    root = table_at(SMALL)
    vtable = root - struct.unpack_from("<i", SMALL, root)[0]
    with pytest.raises(ModelError, match=r"^Model.version: expected the field inside its table"):
        verify(patched(SMALL, vtable + 4, "<H", 0xFFF0))


def test_string_without_its_zero_byte_is_refused() -> None:
    place = field_at(SMALL, table_at(SMALL, 2, 0), 4)
    text = place + struct.unpack_from("<I", SMALL, place)[0]
    with pytest.raises(ModelError, match=r"^Model.subgraphs\[0\].name: expected a string that ends in a zero"):
        verify(patched(SMALL, text + 8, "B", 65))


def test_unknown_options_type_is_of_a_newer_schema() -> None:
    place = field_at(SMALL, table_at(SMALL, 2, 0, 3, 1), 3)
    expected = r"operators\[1\].builtin_options: BuiltinOptions type 200 belongs to a newer schema"
    with pytest.raises(UnsupportedError, match=expected):
        verify(patched(SMALL, place, "B", 200))


def test_options_without_a_type_are_refused() -> None:
    place = field_at(SMALL, table_at(SMALL, 2, 0, 3, 1), 3)
    with pytest.raises(ModelError, match=r"builtin_options: expected no value with type 0"):
        verify(patched(SMALL, place, "B", 0))


def test_unknown_builtin_operator_code_is_a_plain_number() -> None:
    root = small_root(1)
    root.operatorCodes[0].builtinCode = 100_000
    assert parse(pack(root)).root.operatorCodes[0].builtinCode == 100_000


def model_with_slots(slots: int, used: int) -> bytes:
    """A `Model` whose vtable has `slots` slots, of which slot `used` holds a 4-byte 1."""
    builder = flatbuffers.Builder(256)
    builder.StartObject(slots)
    builder.PrependInt32Slot(used, 1, 0)
    builder.Finish(builder.EndObject(), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_field_behind_the_known_ones_is_of_a_newer_schema() -> None:
    with pytest.raises(UnsupportedError, match=r"^Model: field 12 belongs to a newer schema"):
        verify(model_with_slots(13, 12))


def test_tables_that_contain_themselves_end_in_an_error() -> None:
    place = field_at(SMALL, table_at(SMALL), 2)
    vector = place + struct.unpack_from("<I", SMALL, place)[0]
    for target in (vector + 4, table_at(SMALL), table_at(SMALL, 2, 0)):
        for at in range(8, len(SMALL) - 4, 4):
            if at < target:
                with_loop = patched(SMALL, at, "<I", target - at)
                try:
                    serialise(parse(with_loop))
                except WpconvertError:
                    continue


def test_shared_tables_cannot_expand_a_small_file_without_limit() -> None:
    builder = flatbuffers.Builder(1 << 20)
    builder.StartObject(0)
    element = builder.EndObject()

    def vector(offset: int) -> int:
        builder.StartVector(4, 5000, 4)
        for _ in range(5000):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    tensors = vector(element)
    builder.StartObject(6)
    builder.PrependUOffsetTRelativeSlot(0, tensors, 0)
    graphs = vector(builder.EndObject())
    builder.StartObject(10)
    builder.PrependUOffsetTRelativeSlot(2, graphs, 0)
    builder.Finish(builder.EndObject(), file_identifier=b"TFL3")
    begin = time.perf_counter()
    with pytest.raises(ModelError, match="too many offsets share one target"):
        parse(bytes(builder.Output()))
    assert time.perf_counter() - begin < 5


def test_twenty_thousand_tensors_are_verified_within_seconds() -> None:
    root = small_root(1)
    one = root.subgraphs[0].tensors[1]
    root.subgraphs[0].tensors += [one] * 20_000
    data = pack(root)
    begin = time.perf_counter()
    verify(data)
    assert time.perf_counter() - begin < 5
