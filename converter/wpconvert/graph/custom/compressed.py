"""Reading a rewritten operator: blob, table and options, checked against each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert import codecs
from wpconvert.codecs import Blob, Codec, Side
from wpconvert.errors import ModelError
from wpconvert.graph.custom import table
from wpconvert.graph.custom.levels import ACT_BITS, unfold_bias, unit_log2, zero_sums
from wpconvert.graph.custom.operators import (
    BUILTIN_NAMES,
    CHANNEL_AXIS,
    ELEMENTWISE,
    ROW_DIMS,
    OperatorOptions,
    channel_sums,
    unpack_options,
)
from wpconvert.graph.custom.table import RequantTable
from wpconvert.graph.structure import Operator


@dataclass(frozen=True)
class Decoded:
    """A WP_* operator, decoded. `name` is the builtin operator it replaces; weights are in their original shape."""

    name: str
    codec: str
    options: OperatorOptions
    weights: NDArray[np.int8]


@dataclass(frozen=True)
class Compressed(Decoded):
    """A WP_* operator with a requantisation table, and with side data where the codec has some."""

    table: RequantTable
    side: Side | None = None

    @property
    def shift(self) -> int:
        """Partial sums are divided by 2^this and rounded."""
        return 0 if self.side is None else self.side.shift

    @property
    def unit(self) -> int:
        """Accumulators count multiples of 2^this of what those of the dense operator count."""
        return unit_log2(self.options.act_bits, self.shift)

    def zero_sums(self) -> NDArray[np.int64]:
        """What the accumulators hold where all activations are the zero point, int64[channels]."""
        point = self.table.input_zero_point
        if self.side is None:
            return point * channel_sums(self.name, self.weights)
        return zero_sums(self.weights, point, self.options.act_bits, self.shift)

    def bias(self) -> NDArray[np.int32]:
        """The bias of the dense operator, int32[channels]: the table's, without the folded input zero point."""
        return unfold_bias(self.table.bias, self.zero_sums(), self.unit)


def decode_compressed(
    name: str,
    custom_options: bytes,
    raw_blob: NDArray[np.uint8],
    raw_table: NDArray[np.uint8],
    raw_side: NDArray[np.uint8] | None = None,
) -> Compressed:
    """Decode the parts of the custom operator that replaces builtin operator `name`, one with a table.

    raw_side: its side data, where it has some. Raises ModelError when a part is corrupt or they contradict each other.
    """
    options = unpack_options(custom_options)
    blob = codecs.parse(raw_blob)
    shape = blob.layout.shape
    codec = _agreed_codec(options, blob, options.filter_shape in ((), shape))
    axis = CHANNEL_AXIS[name]
    if len(shape) <= axis or blob.layout.row_dims != ROW_DIMS[name]:
        raise ModelError(
            f"weights of shape {list(shape)} with {blob.layout.row_dims} row dimensions do not match the operator"
        )
    side = None if raw_side is None else codecs.unpack_side(codec, raw_side)
    requant = table.unpack(raw_table, shape[axis])
    return Compressed(name, codec.name, options, codecs.decode(raw_blob, side), requant, side)


def decode_constant(name: str, custom_options: bytes, raw_blob: NDArray[np.uint8]) -> Decoded:
    """The same for WP_ADD and WP_MUL."""
    options = unpack_options(custom_options)
    blob = codecs.parse(raw_blob)
    shape = options.filter_shape
    fits = min(shape, default=0) >= 1 and math.prod(shape) == math.prod(blob.layout.shape)
    codec = _agreed_codec(options, blob, fits)
    return Decoded(name, codec.name, options, codecs.decode(raw_blob).reshape(shape))


def _agreed_codec(options: OperatorOptions, blob: Blob, shapes_agree: bool) -> Codec:
    """The blob's codec; ModelError where the options contradict the blob."""
    codec = codecs.codec_of(blob)
    if not shapes_agree or options.codec not in ("", codec.name):
        raise ModelError(
            f"the options say {options.codec!r} of shape {list(options.filter_shape)}, "
            f"the weight blob is {codec.name!r} of shape {list(blob.layout.shape)}"
        )
    if options.act_bits != ACT_BITS and codec.side is None:
        raise ModelError(
            f"the options specify {options.act_bits}-bit activations, but the weight blob uses codec {codec.name!r}"
        )
    return codec


def _constants(operator: Operator) -> list[NDArray[np.uint8]]:
    """Blob and, where it has them, table and side data of an operator with a WP_* custom code."""
    elementwise = BUILTIN_NAMES[operator.kind] in ELEMENTWISE
    expected = (2,) if elementwise else (3, 4)
    if len(operator.inputs) not in expected or None in operator.inputs or len(operator.outputs) != 1:
        parts = "activation and weight blob" if elementwise else "activation, weight blob, table and any side data"
        raise ModelError(f"expected {parts} as inputs and one output")
    constants = [None if tensor is None else tensor.data for tensor in operator.inputs[1:]]
    if any(constant is None for constant in constants):
        raise ModelError("weight blob, table and side data must be constants")
    return [constant for constant in constants if constant is not None]


def blob_of(operator: Operator) -> NDArray[np.uint8]:
    """The weight blob of such an operator, uint8[nbytes]."""
    return _constants(operator)[0]


def codec_name(operator: Operator) -> str:
    """The codec of such an operator's weights; ModelError when it has none that is known."""
    return codecs.codec_of(codecs.parse(blob_of(operator))).name


def side_of(operator: Operator) -> NDArray[np.uint8] | None:
    """The side data of such an operator, uint8[nbytes], None where it has none."""
    parts = _constants(operator)
    return parts[2] if len(parts) > 2 else None


def read_compressed(operator: Operator) -> Decoded:
    """Decode such an operator, to Compressed where it has a table; ModelError names it when it is corrupt."""
    name, options = BUILTIN_NAMES[operator.kind], operator.options.tobytes()
    try:
        parts = _constants(operator)
        return decode_constant(name, options, *parts) if len(parts) == 1 else decode_compressed(name, options, *parts)
    except ModelError as error:
        where = f"operator {operator.index} ({operator.kind}, subgraph {operator.subgraph})"
        raise ModelError(f"{where}: {error}") from error
