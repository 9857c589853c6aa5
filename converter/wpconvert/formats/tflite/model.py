"""A parsed `.tflite` model: the schema's object tree plus the questions everyone asks of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite.attached import Attached, without_attached
from wpconvert.formats.tflite.schema import BUILTIN_NAMES, DTYPES, TYPE_NAMES, BuiltinOperator
from wpconvert.graph.structure import Graph
from wpconvert.graph.types import Quantization, element_count


def text(value: bytes | str | None) -> str:
    """A schema string as str; bytes that are not UTF-8 become replacement characters."""
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


@dataclass
class TfliteModel:
    """A model whose flatbuffer passed the structural and index checks of `wpconvert.formats.tflite.file`.

    `root` is LiteRT's `ModelT`; every tensor, buffer and operator code index in it is in range. attached: what stands
    after the flatbuffer in the file it was read from. notes: irregularities in that file. file: its bytes,
    where a runtime can take them and the model is unchanged.
    """

    root: Any
    attached: Attached | None = None
    notes: tuple[str, ...] = ()
    file: bytes | None = None

    def copy(self) -> TfliteModel:
        """A model that can be changed by itself: all but arrays and texts, which no one writes to, are copied."""
        return replace(self, root=_copied(self.root), file=None)

    @property
    def graph(self) -> Graph:
        """The model as it is now. ModelError for an index of no tensor."""
        from wpconvert.formats.tflite.graph_reader import read_graph  # noqa: PLC0415 - it reads models of this class

        return read_graph(self)

    def content(self) -> bytes:
        """The bytes of its file for a runtime: those it was parsed from where these will do, else new ones."""
        from wpconvert.formats.tflite.file import serialise  # noqa: PLC0415 - it writes models of this class

        return serialise(self) if self.file is None else self.file

    def embedded(self, data: bytes) -> bytes:
        """The bytes of the file that it was read from without what is attached behind the model."""
        return without_attached(data, self.attached)

    def no_dense(self) -> str | None:
        """Why no model with plain weights computes the same; None where one does."""
        from wpconvert.formats.tflite.loss import loss_of  # noqa: PLC0415 - about models of this class

        return "it does not support activations of fewer than 8 bits" if loss_of(self).reduced else None

    def dense(self) -> TfliteModel:
        """The model with plain weights; itself where it has no others. UnsupportedError where there is none."""
        from wpconvert.formats.tflite.restore import restored  # noqa: PLC0415 - it restores models of this class

        if self.no_dense() is not None:
            raise UnsupportedError("a model with activations of fewer than 8 bits has no dense form with equal outputs")
        return restored(self)

    def operator_code(self, operator: Any) -> Any:
        return self.root.operatorCodes[operator.opcodeIndex]

    def operator_name(self, operator: Any) -> str:
        """`CONV_2D` for a builtin operator, the custom code (`WP_CONV_2D`) for a custom one.

        Files older than schema version 3a fill only `deprecated_builtin_code`, hence the maximum of both fields.
        """
        code = self.operator_code(operator)
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        if builtin == BuiltinOperator.CUSTOM:
            return text(code.customCode)
        return BUILTIN_NAMES.get(builtin, f"BUILTIN_{builtin}")

    def is_custom(self, operator: Any) -> bool:
        code = self.operator_code(operator)
        return bool(max(code.builtinCode, code.deprecatedBuiltinCode) == BuiltinOperator.CUSTOM)

    def buffer(self, tensor: Any) -> NDArray[np.uint8] | None:
        """The raw bytes of a constant tensor, None for a tensor computed at run time.

        A tensor of no elements has its value without a byte of data.
        """
        data = self.root.buffers[tensor.buffer].data
        if data is None or len(data) == 0:
            return np.empty(0, np.uint8) if 0 in shape_of(tensor) else None
        return np.asarray(data, dtype=np.uint8)

    def constant(self, tensor: Any) -> NDArray[Any] | None:
        """The value of a constant tensor, shaped and typed; None for a tensor computed at run time.

        Raises ModelError when the buffer has fewer bytes than shape and type need, UnsupportedError for a type whose
        elements are not whole bytes (INT4, STRING, …).
        """
        data = self.buffer(tensor)
        if data is None:
            return None
        dtype = DTYPES.get(tensor.type)
        if dtype is None:
            kind = TYPE_NAMES.get(tensor.type, str(tensor.type))
            raise UnsupportedError(f"tensor {text(tensor.name)!r}: constants of type {kind} cannot be read")
        shape = shape_of(tensor)
        expected = element_count(shape) * dtype.itemsize
        if data.nbytes < expected:
            raise ModelError(
                f"tensor {text(tensor.name)!r}: shape {list(shape)} needs {expected} bytes, "
                f"its buffer has {data.nbytes}"
            )
        return data[:expected].view(dtype).reshape(shape)


def _copied(node: Any) -> Any:
    """A copy of a tree of the object API's lists and objects."""
    kind = type(node)
    if kind in _LEAVES:
        return node
    if kind is list:
        return [_copied(each) for each in node]
    fields = getattr(node, "__dict__", None)
    if fields is None:
        return node
    result = object.__new__(kind)
    result.__dict__ = {name: value if type(value) in _LEAVES else _copied(value) for name, value in fields.items()}
    return result


_LEAVES = frozenset({type(None), bool, int, float, str, bytes, np.ndarray})
"""What most fields are: no one writes to it."""


def shape_of(tensor: Any) -> tuple[int, ...]:
    """The shape of a tensor; () for a scalar."""
    return () if tensor.shape is None else tuple(int(d) for d in tensor.shape)


def quantization_of(tensor: Any) -> Quantization | None:
    """The affine quantisation of a tensor, None when it has no scale.

    Missing zero points are 0; one zero point for several scales is repeated. ModelError when the counts do not fit.
    """
    params = tensor.quantization
    if params is None or params.scale is None or len(params.scale) == 0:
        return None
    scales = np.asarray(params.scale, dtype=np.float32)
    points = params.zeroPoint
    zero_points = np.zeros(1, np.int64) if points is None or len(points) == 0 else np.asarray(points, np.int64)
    if len(zero_points) == 1:
        zero_points = np.repeat(zero_points, len(scales))
    if len(zero_points) != len(scales):
        raise ModelError(f"tensor {text(tensor.name)!r}: {len(scales)} scales but {len(zero_points)} zero points")
    return Quantization(scales, zero_points, int(params.quantizedDimension))
