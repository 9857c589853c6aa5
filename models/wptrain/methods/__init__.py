"""Methods: what changes a network's weights, layers or loss in training, one file or folder each.

A method is a name in METHODS and a module with its settings, its class and their ENTRY: see `method.Method`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from wpconvert.errors import UsageError

from .method import Entry, Method

# Modules by the name that recipes use.
METHODS = {
    "magnitude": ".magnitude",
    "pool": ".pool.method",
    "quantise": ".quantise",
}


def entry(name: str) -> Entry[Any]:
    """The method of that name. Raises UsageError when there is none."""
    if name not in METHODS:
        raise UsageError(f"method {name}: unknown; expected one of {', '.join(METHODS)}")
    found: Entry[Any] = import_module(METHODS[name], __name__).ENTRY
    return found


def open_all(given: Mapping[str, Mapping[str, object]], where: str = "methods") -> dict[str, Method]:
    """Methods by name, in order, with the settings `given`. Raises UsageError, which names `where`."""
    return {name: entry(name).open(settings, f"{where}.{name}") for name, settings in given.items()}
