"""TensorProto: types, sizes, and its bytes in each of the fields that can hold them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from wpconvert.errors import ModelError
from wpconvert.formats.onnx.data import Bytes, Data, Inline, load
from wpconvert.formats.onnx.external import ExternalFiles

_BITS: dict[int, int] = {
    TensorProto.FLOAT: 32,
    TensorProto.UINT8: 8,
    TensorProto.INT8: 8,
    TensorProto.UINT16: 16,
    TensorProto.INT16: 16,
    TensorProto.INT32: 32,
    TensorProto.INT64: 64,
    TensorProto.BOOL: 8,
    TensorProto.FLOAT16: 16,
    TensorProto.DOUBLE: 64,
    TensorProto.UINT32: 32,
    TensorProto.UINT64: 64,
    TensorProto.COMPLEX64: 64,
    TensorProto.COMPLEX128: 128,
    TensorProto.BFLOAT16: 16,
    TensorProto.FLOAT8E4M3FN: 8,
    TensorProto.FLOAT8E4M3FNUZ: 8,
    TensorProto.FLOAT8E5M2: 8,
    TensorProto.FLOAT8E5M2FNUZ: 8,
    TensorProto.FLOAT8E8M0: 8,
    TensorProto.UINT4: 4,
    TensorProto.INT4: 4,
    TensorProto.FLOAT4E2M1: 4,
    TensorProto.UINT2: 2,
    TensorProto.INT2: 2,
}
_MAX_ELEMENTS = 1 << 46
_MAX_RANK = 64
"""What NumPy takes."""
RAW, EXTERNAL = "raw", "external"
RAW_FIELD = "raw_data"
_TYPED: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.INT8: "int32_data",
    TensorProto.UINT8: "int32_data",
    TensorProto.INT4: "int32_data",
    TensorProto.UINT4: "int32_data",
    TensorProto.FLOAT16: "int32_data",
}
"""The field other than raw_data that holds values of a type."""
_ELEMENTS: dict[int, type[np.generic]] = {TensorProto.INT8: np.int8, TensorProto.FLOAT16: np.uint16}
_DATA_FIELDS = (
    RAW_FIELD,
    "float_data",
    "int32_data",
    "string_data",
    "int64_data",
    "double_data",
    "uint64_data",
)


def type_name(data_type: int) -> str:
    """The type as ONNX calls it: `INT8`."""
    return str(TensorProto.DataType.Name(data_type)) if data_type in TensorProto.DataType.values() else str(data_type)


def bits_of(data_type: int) -> int | None:
    """Bits of an element; None for text and for types this version does not know."""
    return _BITS.get(data_type)


def has_values(data_type: int) -> bool:
    """Whether `values_of` makes elements of this type: all real ones of 8 bits and more, and integers of 4."""
    if data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        return False
    return _BITS.get(data_type, 0) >= 8 or data_type in (TensorProto.INT4, TensorProto.UINT4)


def elements_of(tensor: TensorProto) -> int:
    """Number of elements; ModelError for absurd dimensions."""
    dims = [int(dim) for dim in tensor.dims[: _MAX_RANK + 1]]
    # Their product may be as long as the file.
    count = math.prod(dims) if len(dims) <= _MAX_RANK and min(dims, default=0) >= 0 else -1
    if not 0 <= count <= _MAX_ELEMENTS:
        raise ModelError(f"tensor {tensor.name!r}: invalid shape with {len(tensor.dims)} dimensions, {dims[:8]}")
    return count


def nbytes_of(tensor: TensorProto) -> int:
    """Bytes of the elements, packed; ModelError for absurd dimensions. 0 for text and unknown types."""
    return (elements_of(tensor) * _BITS.get(tensor.data_type, 0) + 7) // 8


def form_of(tensor: TensorProto) -> str:
    """The field that holds the data: RAW, EXTERNAL, or the name of a typed one."""
    if tensor.data_location == TensorProto.EXTERNAL:
        return EXTERNAL
    return RAW if tensor.HasField("raw_data") else _TYPED.get(tensor.data_type, "")


def fits(tensor: TensorProto, form: str) -> bool:
    """Whether a tensor of this type can have its data in this field of the message."""
    return form in (RAW, _TYPED.get(tensor.data_type))


def data_of(tensor: TensorProto, files: ExternalFiles) -> Data | None:
    """The bytes of a tensor as raw_data would have them; None for a form or type that is left alone.

    Raises ModelError where the number of elements is not that of the shape, and what `ExternalFiles.span` raises.
    """
    nbytes = nbytes_of(tensor)
    form = form_of(tensor)
    if form == EXTERNAL:
        return files.span(tensor, nbytes)
    found: Data
    if form == RAW:
        found = Inline(tensor, len(tensor.raw_data))
    elif form:
        found = _from_typed(tensor, getattr(tensor, form))
    else:
        return None
    if found.nbytes != nbytes:
        raise ModelError(
            f"tensor {tensor.name!r}: {found.nbytes:,} bytes of data, its shape {list(tensor.dims)} and type "
            f"{type_name(tensor.data_type)} need {nbytes:,}; the file is damaged"
        )
    return found


def _from_typed(tensor: TensorProto, values: Any) -> Bytes:
    if tensor.data_type == TensorProto.FLOAT:
        return np.array(values, "<f4").view(np.uint8)
    # What does not fit wraps, and `same_bits` finds out.
    wide = np.array(values, np.int64)
    if tensor.data_type == TensorProto.FLOAT16:
        return wide.astype("<u2").view(np.uint8)
    return wide.astype(np.uint8)


def set_data(tensor: TensorProto, form: str, data: Data) -> None:
    """Put bytes into the field `form` of a tensor without data, RAW or a typed one."""
    raw = load(data)
    if form == RAW:
        tensor.raw_data = raw.tobytes()
    elif form == "float_data":
        # As bytes of the wire format: a float of Python would change the bits of some NaNs.
        tensor.MergeFromString(b"\x22" + _varint(raw.nbytes) + raw.tobytes())
    else:
        tensor.int32_data.extend(raw.view(_ELEMENTS.get(tensor.data_type, np.uint8)).tolist())


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def without_data(tensor: TensorProto) -> TensorProto:
    """A copy of all but the data and where it is."""
    stub = TensorProto()
    stub.CopyFrom(tensor)
    for name in (*_DATA_FIELDS, "external_data"):
        stub.ClearField(name)
    if tensor.data_location == TensorProto.EXTERNAL:
        stub.ClearField("data_location")
    return stub


def same_when_set(tensor: TensorProto, data: Data) -> bool:
    """Whether `without_data` and the field that has the data give back a tensor as it is, bit for bit."""
    form = form_of(tensor)
    if form in (RAW, EXTERNAL):
        fields = {field.name for field, _ in tensor.ListFields()}
        own = "external_data" if form == EXTERNAL else RAW_FIELD
        return fields.isdisjoint({*_DATA_FIELDS, "external_data"} - {own})
    copy = without_data(tensor)
    set_data(copy, form, data)
    return bool(copy.SerializeToString(deterministic=True) == tensor.SerializeToString(deterministic=True))


def values_of(data_type: int, shape: tuple[int, ...], raw: Bytes) -> NDArray[Any]:
    """The elements of a shape, as the type's NumPy dtype; types of 4 bits one element a byte."""
    dtype = helper.tensor_dtype_to_np_dtype(data_type)
    if _BITS[data_type] == 4:
        nibbles = np.stack([raw & 15, raw >> 4], axis=1).reshape(-1)[: math.prod(shape)].astype(np.int8)
        elements = nibbles if data_type == TensorProto.UINT4 else (nibbles ^ 8) - 8
        return elements.astype(dtype).reshape(shape)
    return raw.view(dtype.newbyteorder("<")).reshape(shape)


def raw_of(values: NDArray[Any], data_type: int) -> Bytes:
    """The bytes that raw_data has for the elements: the inverse of `values_of`."""
    flat = np.ascontiguousarray(values).reshape(-1)
    if _BITS[data_type] == 4:
        nibbles = flat.astype(np.int8).view(np.uint8) & 15
        nibbles = np.append(nibbles, np.zeros(len(nibbles) % 2, np.uint8))
        return np.asarray(nibbles[0::2] | nibbles[1::2] << 4)
    return flat.view(np.uint8)
