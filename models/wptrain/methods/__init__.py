"""Methods: what changes a network's weights, layers or loss in training, one file or folder each.

A method is the name in METHODS, its settings and a class: see `method.Method`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wpconvert.errors import UsageError

from . import magnitude, quantise
from .method import Entry, Method
from .pool import method as pool

METHODS: dict[str, Entry[Any]] = {
    "magnitude": magnitude.ENTRY,
    "pool": pool.ENTRY,
    "quantise": quantise.ENTRY,
}


def entry(name: str) -> Entry[Any]:
    """The method of that name. Raises UsageError when there is none."""
    if name not in METHODS:
        raise UsageError(f"method {name}: unknown; expected one of {', '.join(METHODS)}")
    return METHODS[name]


def open_all(given: Mapping[str, Mapping[str, object]], where: str = "methods") -> dict[str, Method]:
    """Methods by name, in order, with the settings `given`. Raises UsageError, which names `where`."""
    return {name: entry(name).open(settings, f"{where}.{name}") for name, settings in given.items()}
