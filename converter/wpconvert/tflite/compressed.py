"""Reading a rewritten operator: blob, table and options, checked against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert import codecs
from wpconvert.errors import ModelError
from wpconvert.tflite import table
from wpconvert.tflite.model import TfliteModel
from wpconvert.tflite.operators import (
    BUILTIN_NAMES,
    CHANNEL_AXIS,
    ROW_DIMS,
    OperatorOptions,
    channel_sums,
    unpack_options,
)
from wpconvert.tflite.table import RequantTable


@dataclass(frozen=True)
class Compressed:
    """A WP_* operator, decoded. `name` is the builtin operator it replaces; weights are in their original shape."""

    name: str
    codec: str
    options: OperatorOptions
    weights: NDArray[np.int8]
    table: RequantTable

    def bias(self) -> NDArray[np.int32]:
        """The original bias, int32[channels]: the table's, without the folded input zero point."""
        wide = self.table.bias.astype(np.int64)
        unfolded = wide + self.table.input_zero_point * channel_sums(self.name, self.weights)
        return unfolded.astype(np.int32)


def decode_compressed(
    name: str, custom_options: bytes, raw_blob: NDArray[np.uint8], raw_table: NDArray[np.uint8]
) -> Compressed:
    """Decode the parts of the custom operator that replaces builtin operator `name`.

    Raises ModelError when one is corrupt or they contradict each other.
    """
    options = unpack_options(custom_options)
    requant = table.unpack(raw_table)
    blob = codecs.parse(raw_blob)
    codec = codecs.codec_of(blob)
    shape = blob.layout.shape
    if options.filter_shape not in ((), shape) or options.codec not in ("", codec.name):
        raise ModelError(
            f"the options say {options.codec!r} of shape {list(options.filter_shape)}, "
            f"the weight blob is {codec.name!r} of shape {list(shape)}"
        )
    axis = CHANNEL_AXIS[name]
    if len(shape) <= axis or blob.layout.row_dims != ROW_DIMS[name] or shape[axis] != requant.channels:
        raise ModelError(
            f"the table's {requant.channels} channels do not fit weights of shape {list(shape)}, "
            f"{blob.layout.row_dims} dimensions of which are rows"
        )
    return Compressed(name, codec.name, options, codecs.decode(raw_blob), requant)


def _constants(model: TfliteModel, subgraph: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Blob and table of operator `index` of a subgraph, one with a WP_* custom code."""
    graph = model.root.subgraphs[subgraph]
    operator = graph.operators[index]
    if len(operator.inputs) != 3 or min(operator.inputs) < 0 or len(operator.outputs) != 1:
        raise ModelError("expected activation, weight blob and table as inputs and one output")
    blob, requant = (model.buffer(graph.tensors[operator.inputs[slot]]) for slot in (1, 2))
    if blob is None or requant is None:
        raise ModelError("weight blob and table must be constants")
    return blob, requant


def codec_name(model: TfliteModel, subgraph: int, index: int) -> str:
    """The codec of such an operator's weights; ModelError when it has none that is known."""
    return codecs.codec_of(codecs.parse(_constants(model, subgraph, index)[0])).name


def read_compressed(model: TfliteModel, subgraph: int, index: int) -> Compressed:
    """Decode such an operator; ModelError names it when it is corrupt."""
    operator = model.root.subgraphs[subgraph].operators[index]
    custom = model.operator_name(operator)
    try:
        options = b"" if operator.customOptions is None else np.asarray(operator.customOptions, np.uint8).tobytes()
        return decode_compressed(BUILTIN_NAMES[custom], options, *_constants(model, subgraph, index))
    except ModelError as error:
        raise ModelError(f"operator {index} ({custom}, subgraph {subgraph}): {error}") from error
