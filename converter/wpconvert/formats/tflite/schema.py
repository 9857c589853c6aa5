"""The TFLite schema's classes and enumerations, under the names used in this package.

The classes come from LiteRT's generated module. `XT` is the mutable object of table `X` (the flatbuffers object API).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as _schema

ModelT: Any = _schema.ModelT
SubGraphT: Any = _schema.SubGraphT
TensorT: Any = _schema.TensorT
BufferT: Any = _schema.BufferT
OperatorT: Any = _schema.OperatorT
OperatorCodeT: Any = _schema.OperatorCodeT
MetadataT: Any = _schema.MetadataT
QuantizationParametersT: Any = _schema.QuantizationParametersT
BuiltinOperator: Any = _schema.BuiltinOperator
BuiltinOptions: Any = _schema.BuiltinOptions
TensorType: Any = _schema.TensorType
Padding: Any = _schema.Padding
ActivationFunctionType: Any = _schema.ActivationFunctionType
CustomOptionsFormat: Any = _schema.CustomOptionsFormat

FILE_IDENTIFIER = b"TFL3"


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


BUILTIN_NAMES: dict[int, str] = _names(BuiltinOperator)
TYPE_NAMES: dict[int, str] = _names(TensorType)
ACTIVATION_NAMES: dict[int, str] = _names(ActivationFunctionType)

DTYPES: dict[int, np.dtype[Any]] = {
    TensorType.FLOAT32: np.dtype("<f4"),
    TensorType.FLOAT16: np.dtype("<f2"),
    TensorType.FLOAT64: np.dtype("<f8"),
    TensorType.INT8: np.dtype("i1"),
    TensorType.UINT8: np.dtype("u1"),
    TensorType.INT16: np.dtype("<i2"),
    TensorType.UINT16: np.dtype("<u2"),
    TensorType.INT32: np.dtype("<i4"),
    TensorType.UINT32: np.dtype("<u4"),
    TensorType.INT64: np.dtype("<i8"),
    TensorType.UINT64: np.dtype("<u8"),
    TensorType.BOOL: np.dtype("?"),
}
"""NumPy types of the tensor types whose elements occupy whole bytes."""


def options(name: str, **fields: Any) -> Any:
    """A builtin options object, `options("Conv2DOptions", strideW=1)`; field names as in the object API."""
    obj = getattr(_schema, name + "T")()
    for field, value in fields.items():
        if not hasattr(obj, field):
            raise AttributeError(f"{name} has no field {field}")
        setattr(obj, field, value)
    return obj
