"""Text in a message: protobuf hands out as bytes what is no UTF-8, and everything here reads text as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from onnx import TensorProto

from wpconvert.errors import ModelError

_OF_TENSOR = ("name", "doc_string", "external_data", "metadata_props")
"""The fields of a tensor to look at; those with data may be large."""


def check_text(message: Message) -> None:
    """ModelError for a text that is none, in the message or any that it holds."""
    waiting = [message]
    while waiting:
        current = waiting.pop()
        for name, value in _fields(current):
            for item in value:
                if isinstance(item, Message):
                    waiting.append(item)
                elif not isinstance(item, str):
                    raise ModelError(f"the {name} of a {type(current).__name__} is not UTF-8; the file is damaged")


def _fields(message: Any) -> Iterator[tuple[str, Any]]:
    """Fields with text or messages, each as a list of values."""
    if isinstance(message, TensorProto):
        for name in _OF_TENSOR:
            value = getattr(message, name)
            yield name, [value] if name in _OF_TENSOR[:2] else value
        return
    for field, value in message.ListFields():
        if field.message_type is not None or field.type == field.TYPE_STRING:
            yield field.name, value if field.is_repeated else [value]
