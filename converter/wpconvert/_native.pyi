"""Kernels and runtime as the device has them, compiled for the host (native/src/module.cc)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

class Error(Exception):
    """What the runtime says when it refuses a model, a blob or an arena."""

class Interpreter:
    """One model with an arena of its own and every operator and codec registered.

    `run` may be called from several threads; calls wait for each other.
    """

    def __init__(self, model: bytes, arena_nbytes: int | None = None) -> None:
        """Keeps the bytes of a `.tflite` file. Without `arena_nbytes` the arena is as large as the model needs.

        Raises Error with the runtime's message when the model is malformed or not supported, or the arena too small.
        """

    @property
    def inputs(self) -> list[tuple[tuple[int, ...], str]]:
        """Shape and dtype name of each input."""

    @property
    def outputs(self) -> list[tuple[tuple[int, ...], str]]:
        """Shape and dtype name of each output."""

    @property
    def arena_used(self) -> int:
        """Bytes of the arena in use: a little more than on the device, whose pointers are shorter."""

    @property
    def arena_nbytes(self) -> int:
        """Bytes the arena has."""

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """One inference: new arrays, in order. ValueError for inputs that do not fit, Error when it fails."""

    def trace(self, inputs: Sequence[NDArray[Any]]) -> tuple[list[NDArray[Any]], list[tuple[int, int, NDArray[Any]]]]:
        """`run`, and what each operator computed: its index, the place among its outputs, the values."""

def decode(blob: bytes, pool: bytes | None = None) -> NDArray[np.int8]:
    """The weights of a blob in their original shape; Error when it is malformed. pool: the tensor, of codec pool."""

def decode_rows(blob: bytes, first: int, last: int, step: int, pool: bytes | None = None) -> NDArray[np.int8]:
    """Rows [first, last) of a blob's matrix, decoded `step` rows at a time; Error or IndexError."""

def lower_arena(model: bytes, core: str, spare: bool = True) -> tuple[int, list[tuple[int, int]]]:
    """What a model's activations and scratch take together on a core ("Cortex-M4"), as the runtime places them.

    And index and scratch, in bytes rounded up to 16, of each operator that asks for some. spare: whether layers may
    take memory that others need anyway, as they do in the runtime, but not in TFLM. Error for a core without kernels
    and a model that the runtime refuses.
    """

def layer_plan(
    core: str, depthwise: bool, shape: Sequence[int], spare: int, codec: str, elements: int, table_nbytes: int
) -> dict[str, int]:
    """How a core computes a CONV_2D or DEPTHWISE_CONV_2D, as its kernels plan it.

    shape: batch; height, width and channels of input and output; height, width and channels of a filter; strides,
    dilations and padding above and left, each of height and width. spare: bytes of scratch that cost nothing. codec:
    "" for rows as they are; elements: how many of them it stores, table_nbytes: of what it decodes with.

    By name: is_3x3 (of a depthwise one: tile_pixels are then columns, windows rows of a band; others have all the
    rest), vector (too few pixels to decode for), in_place, pointwise, strip, form (of rows: 0 dense, 1 lists,
    2 groups), blocks (of rows, in a group of channels), tile_pixels, windows (gathered at a time), nbytes (of
    scratch). Error for a core or codec that is not known.
    """

def best_tile(
    bandwidth: int,
    lut: Sequence[int],
    dsp: Sequence[int],
    layer: Sequence[int],
    depthwise: bool,
    splits: Sequence[Sequence[int]],
    channels: Sequence[int],
    outputs: Sequence[Sequence[int]],
) -> list[int] | None:
    """The tile of a convolution with the fewest cycles, on an accelerator with two arrays; None where none fits.

    bandwidth: bytes a cycle. lut, dsp: rows and columns of an array, words of its buffers of inputs, weights and
    outputs. layer: height and width of output, filter and stride; channels (1 of a depthwise one), filters, digits of
    a weight. splits: filters of a tile, the least number in the array of look-up tables, and one more than the largest;
    channels: of a tile; outputs: height and width of one. Of equal tiles the first one counts.

    Cycles of the layer; of the tile: filters, those in the array of look-up tables, channels, height, width, cycles to
    compute, to load and to store it, words of the six buffers in the order of `lut` and `dsp`.
    """

def cores() -> list[str]:
    """Names of the cores that kernels are planned for."""

def operators() -> list[str]:
    """Builtin names and custom codes of the operators, sorted."""

def codecs() -> list[str]:
    """Names of the codecs, by number."""
