"""What every decoder of compressed ONNX weights offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import onnx
from numpy.typing import NDArray

DOMAIN = "wpconvert"
VERSION = 1
"""Of the operator set in that domain."""
MIN_OPSET = 11
"""Lowest version of the default operator set that the bodies of decoders are written in."""
MAX_OPSET = 26
"""Highest version that they are tested in; ONNX Runtime takes no higher one."""
MIN_IR_VERSION = 8
"""Lowest IR version with functions."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Settings:
    """How to encode.

    channel_axis: the axis of output channels, which codec pool has scales for. pool_size: with codec pool, the vectors
    of a pool that the weights are clustered to; None stores only weights that are made of 256 vectors as they are.
    seed: of the clustering.
    """

    channel_axis: int = 0
    pool_size: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Encoded:
    """A weight as its decoder takes it.

    op_type: of the node that decodes it. inputs: name and array of each of its inputs, in order.
    """

    op_type: str
    inputs: tuple[tuple[str, Array], ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the inputs."""
        return sum(array.nbytes for _, array in self.inputs)


class Decoder(Protocol):
    """One operator `wpconvert.Decode…`: how its inputs are made, what it computes, and its body in ONNX operators.

    Its nodes have no attributes: the reference evaluator knows none in functions of opset 11.
    """

    op_type: str
    input_names: tuple[str, ...]
    dtypes: frozenset[str]
    """NumPy's names of the element types that it can hold."""
    since_opset: int
    """Lowest version of the default operator set that the body can be written in."""

    def encode(self, values: Array, settings: Settings) -> Encoded:
        """Encode a tensor; ModelError says why it cannot hold it."""

    def decode(self, inputs: Sequence[Array]) -> Array:
        """The tensor, of exactly the bits that were encoded; ModelError when the inputs are corrupt."""

    def function(self, opset: int) -> onnx.FunctionProto:
        """The body in operators of this version of the default operator set."""
