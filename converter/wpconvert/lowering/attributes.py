"""Attributes of an ONNX node, checked for their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from onnx import AttributeProto

from wpconvert.errors import ModelError, UnsupportedError


class Attributes:
    """The attributes of one node by name; `where` names the node in messages."""

    def __init__(self, node: onnx.NodeProto, where: str) -> None:
        self._where = where
        self._values = {attribute.name: attribute for attribute in node.attribute}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def integer(self, name: str, default: int) -> int:
        return int(self._get(name, AttributeProto.INT, default))

    def real(self, name: str, default: float) -> float:
        return float(self._get(name, AttributeProto.FLOAT, default))

    def text(self, name: str, default: str) -> str:
        value = self._get(name, AttributeProto.STRING, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def integers(self, name: str, default: Sequence[int] | None = None) -> list[int] | None:
        """A list of integers, the default where there is none."""
        value = self._get(name, AttributeProto.INTS, default)
        return None if value is None else [int(item) for item in value]

    def expect_channels_first(self) -> None:
        """UnsupportedError where an operator of the QOperator form has its channels last."""
        if self.integer("channels_last", 0):
            raise UnsupportedError(
                f"{self._where}: channels_last is not supported; expected inputs [batch, channels, height, width]"
            )

    def replaced(self, lists: Mapping[str, Sequence[int]]) -> Attributes:
        """The same with other lists of integers."""
        copy = Attributes(onnx.NodeProto(), self._where)
        changed = {name: onnx.helper.make_attribute(name, values) for name, values in lists.items()}
        copy._values = {**self._values, **changed}
        return copy

    def _get(self, name: str, kind: int, default: Any) -> Any:
        attribute = self._values.get(name)
        if attribute is None:
            return default
        if attribute.type != kind:
            wanted = AttributeProto.AttributeType.Name(kind)
            raise ModelError(f"{self._where}: attribute {name!r} is not of type {wanted}")
        return onnx.helper.get_attribute_value(attribute)
