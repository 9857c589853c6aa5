"""The attributes of operators: a class for each options table of the TFLite schema that something here reads or writes.

A class has the table's name, and its fields are the table's in snake case: readers and writers of files need no more to
fill one. Fields of a table that are not used are omitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

PaddingName = str
"""SAME or VALID; a number that the schema does not know stands as it is, in digits."""
ActivationName = str
"""One of ACTIVATIONS, or likewise."""

SAME, VALID = "SAME", "VALID"
PADDINGS = (SAME, VALID)
NONE, RELU, RELU_N1_TO_1, RELU6 = "NONE", "RELU", "RELU_N1_TO_1", "RELU6"
ACTIVATIONS = (NONE, RELU, RELU_N1_TO_1, RELU6, "TANH", "SIGN_BIT")
"""Activations that an operator can apply to its output."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What an operator gets in addition to its tensors."""

    @property
    def table(self) -> str:
        """The name of the schema's table."""
        return type(self).__name__


@dataclass(frozen=True, slots=True)
class UnreadOptions(Attributes):
    """A table that nothing here reads."""

    name: str

    @property
    def table(self) -> str:
        return self.name


A = TypeVar("A", bound=Attributes)

TABLES: dict[str, type[Attributes]] = {}
"""The classes by their tables."""


@dataclass_transform(frozen_default=True)
def _table(cls: type[A]) -> type[A]:
    """Make a class a frozen dataclass and the one of the table of its name."""
    made = dataclass(frozen=True, slots=True)(cls)
    TABLES[made.__name__] = made
    return made


@dataclass(frozen=True, slots=True)
class Fused(Attributes):
    """What operators with an activation have in common."""

    fused_activation_function: ActivationName = NONE


@dataclass(frozen=True, slots=True)
class _Windowed(Fused):
    padding: PaddingName = SAME
    stride_h: int = 0
    stride_w: int = 0

    @property
    def stride(self) -> tuple[int, int]:
        """(height, width)."""
        return self.stride_h, self.stride_w


@dataclass(frozen=True, slots=True)
class Convolution(_Windowed):
    """What convolutions have in common."""

    dilation_h_factor: int = 1
    dilation_w_factor: int = 1

    @property
    def dilation(self) -> tuple[int, int]:
        """(height, width)."""
        return self.dilation_h_factor, self.dilation_w_factor


@_table
class Conv2DOptions(Convolution):
    pass


@_table
class DepthwiseConv2DOptions(Convolution):
    depth_multiplier: int = 0


@_table
class Pool2DOptions(_Windowed):
    filter_height: int = 0
    filter_width: int = 0

    @property
    def window(self) -> tuple[int, int]:
        """(height, width)."""
        return self.filter_height, self.filter_width


@_table
class FullyConnectedOptions(Fused):
    """weights_format: 0 unless the weights are shuffled."""

    weights_format: int = 0
    keep_num_dims: bool = False


@_table
class AddOptions(Fused):
    pass


@_table
class SubOptions(Fused):
    pass


@_table
class MulOptions(Fused):
    pass


@_table
class ConcatenationOptions(Fused):
    axis: int = 0


@_table
class SplitOptions(Attributes):
    num_splits: int = 0


@_table
class PackOptions(Attributes):
    values_count: int = 0
    axis: int = 0


@_table
class ReducerOptions(Attributes):
    keep_dims: bool = False


@_table
class LeakyReluOptions(Attributes):
    alpha: float = 0.0


@_table
class SoftmaxOptions(Attributes):
    beta: float = 0.0


@_table
class StridedSliceOptions(Attributes):
    begin_mask: int = 0
    end_mask: int = 0
    ellipsis_mask: int = 0
    new_axis_mask: int = 0
    shrink_axis_mask: int = 0
    offset: bool = False


@_table
class SqueezeOptions(Attributes):
    squeeze_dims: tuple[int, ...] = ()


@_table
class ReshapeOptions(Attributes):
    new_shape: tuple[int, ...] = ()


@_table
class TransposeOptions(Attributes):
    pass


@_table
class QuantizeOptions(Attributes):
    pass


@_table
class HardSwishOptions(Attributes):
    pass


@_table
class PadOptions(Attributes):
    pass


@_table
class PadV2Options(Attributes):
    pass
