"""The TFLite schema's classes and enumerations, under the names used in this package.

The classes come from LiteRT's generated module. `XT` is the mutable object of table `X` (the flatbuffers object API).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as _schema

from wpconvert.graph import types

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
    code: dtype.numpy for code, name in TYPE_NAMES.items() if (dtype := types.DTYPES[name]).numpy is not None
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
