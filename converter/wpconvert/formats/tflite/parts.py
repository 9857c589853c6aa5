"""What a model's file has beside the bytes of its buffers, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs.alignment import aligned
from wpconvert.formats.tflite.builder import Builder, DataKey, SharedKey, data_key, string_key, vector_key
from wpconvert.formats.tflite.model import TfliteModel, text
from wpconvert.formats.tflite.schema import OperatorT
from wpconvert.graph.structure import Place

OFFSET_NBYTES = 4
"""A reference in a vector of tables."""
_LENGTH_NBYTES = 4
# Of a buffer's table: references to its layout and to its bytes.
_BUFFER_NBYTES = 8
_METER_NBYTES = 1 << 12
_CODE, _CODE_NBYTES = "operator code", 20

Key = SharedKey | DataKey
"""Something that a file has once, however many refer to it."""


def is_data(key: Key) -> bool:
    """Whether it is the bytes of a buffer."""
    return isinstance(key[1], int)


def key_nbytes(key: Key) -> int:
    """The bytes of a vector or string with its length, of an operator code, or of a buffer, among others."""
    kind, content = key
    if isinstance(content, int):
        return buffer_nbytes(content)
    if kind == _CODE:
        name = content.partition(b" ")[2]
        return _CODE_NBYTES + (OFFSET_NBYTES + key_nbytes(string_key(name)) if name else 0)
    nbytes = _LENGTH_NBYTES + len(content) + (kind == "string")
    return -(-nbytes // OFFSET_NBYTES) * OFFSET_NBYTES


def _code_key(code: Any) -> SharedKey:
    """An operator code: its numbers, and its name if it has one."""
    numbers = f"{max(code.builtinCode, code.deprecatedBuiltinCode)}/{code.version} "
    return _CODE, numbers.encode() + text(code.customCode).encode()


def buffer_nbytes(nbytes: int) -> int:
    """A buffer with so many bytes of data, among others."""
    return aligned(nbytes + _LENGTH_NBYTES + _BUFFER_NBYTES)


def vector_keys(part: Any) -> Iterator[SharedKey]:
    """The vectors and strings in a part of the object tree, each as often as it is referred to."""
    if isinstance(part, np.ndarray):
        yield vector_key(part)
    elif isinstance(part, (str, bytes)):
        yield string_key(part)
    elif isinstance(part, list):
        for each in part:
            yield from vector_keys(each)
    elif hasattr(part, "__dict__"):
        for each in vars(part).values():
            yield from vector_keys(each)


def tables_nbytes(parts: Iterable[Any]) -> int:
    """The tables of parts of the object tree, without vectors, strings and the layouts of tables: those are shared."""
    meter = _Meter()
    for part in parts:
        part.Pack(meter)
    return meter.nbytes


@dataclass(frozen=True)
class Parts:
    """The parts of a model at one time. Exchanging them in the model does not change these.

    references: how often the subgraphs refer to what a file has once.
    """

    tensors: dict[Place, Any]
    operators: dict[Place, Any]
    codes: list[Any]
    buffers: list[NDArray[np.uint8] | None]
    references: Counter[Key]

    @classmethod
    def from_model(cls, model: TfliteModel) -> Parts:
        """The parts of a model as it is now."""
        root = model.root
        parts = cls(
            {(s, t): tensor for s, graph in enumerate(root.subgraphs) for t, tensor in enumerate(graph.tensors)},
            {(s, o): operator for s, graph in enumerate(root.subgraphs) for o, operator in enumerate(graph.operators)},
            list(root.operatorCodes),
            [None if buffer.data is None else np.asarray(buffer.data, np.uint8) for buffer in root.buffers],
            Counter(vector_keys(root.subgraphs)),
        )
        parts.references.update(parts._other_keys([*parts.tensors.values(), *parts.operators.values()]))
        return parts

    def keys(self, parts: Sequence[Any]) -> Iterator[Key]:
        """What these tensors and operators, some of all, refer to."""
        for part in parts:
            yield from vector_keys(part)
        yield from self._other_keys(parts)

    def _other_keys(self, parts: Iterable[Any]) -> Iterator[Key]:
        """The codes of operators and the bytes of tensors' buffers."""
        for part in parts:
            if isinstance(part, OperatorT):
                yield _code_key(self.codes[part.opcodeIndex])
            elif (data := self.buffers[part.buffer]) is not None:
                yield data_key(data)


class _Meter(Builder):
    """Counts tables: every vector stands elsewhere."""

    def __init__(self) -> None:
        super().__init__(_METER_NBYTES)
        self._anchor = int(super().CreateNumpyVector(np.zeros(1, np.uint8)))
        self._idle_nbytes = self.Offset()

    @property
    def nbytes(self) -> int:
        """Of the tables that were packed."""
        return int(self.Offset() - self._idle_nbytes)

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: ARG002 - the builder's signature
        """Refer to a vector elsewhere."""
        return self._anchor

    def CreateString(self, s: str | bytes, encoding: str = "utf-8", errors: str = "strict") -> int:  # noqa: ARG002
        """Refer to a string elsewhere."""
        return self._anchor

    def WriteVtable(self) -> int:
        """End a table. A layout that is new stays out of the count."""
        known = len(self.vtables)
        table = int(super().WriteVtable())
        if len(self.vtables) > known:
            self._idle_nbytes += self.Offset() - table
        return table
