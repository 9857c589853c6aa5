"""How the attributes of operators stand in the options tables of the schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

from wpconvert.formats.tflite.schema import ACTIVATION_NAMES, ActivationFunctionType, Padding, options
from wpconvert.graph.attributes import PADDINGS, TABLES, Attributes, UnreadOptions

_PADDING_NAMES = {getattr(Padding, name): name for name in PADDINGS}

_READ: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "bool": bool,
    "float": float,
    "PaddingName": lambda value: _PADDING_NAMES.get(value) or str(value),
    "ActivationName": lambda value: ACTIVATION_NAMES.get(value) or str(value),
    "tuple[int, ...]": lambda value: () if value is None else tuple(map(int, value)),
}
"""By the annotation of a field: its value, of the table's."""

_WRITE: dict[str, Callable[[Any], Any]] = {
    "PaddingName": lambda value: getattr(Padding, value),
    "ActivationName": lambda value: getattr(ActivationFunctionType, value),
    "tuple[int, ...]": list,
}
"""The way back, where the value itself will not do."""


@cache
def _fields(table: str) -> list[tuple[str, str, str]]:
    """Of each field of a class: its name, the schema's, and its annotation."""
    return [(field.name, _camel(field.name), str(field.type)) for field in fields(TABLES[table])]


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def attributes_of(table: Any) -> Attributes | None:
    """The attributes that an options object, None where there is none, holds."""
    if table is None:
        return None
    name = type(table).__name__.removesuffix("T")
    if name not in TABLES:
        return UnreadOptions(name)
    return TABLES[name](*[_READ[kind](getattr(table, theirs)) for _, theirs, kind in _fields(name)])


def options_table(attributes: Attributes) -> Any:
    """The options object that holds these attributes; what they leave out is at the schema's defaults."""
    values = {}
    for ours, theirs, kind in _fields(attributes.table):
        value = getattr(attributes, ours)
        values[theirs] = _WRITE[kind](value) if kind in _WRITE else value
    return options(attributes.table, **values)
