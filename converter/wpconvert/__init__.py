"""wpconvert rewrites neural network files so that compressed weights execute in place on microcontrollers.

docs/API.md describes the functions and results of this module. Importing it is cheap: what a function needs is imported
when it is first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wpconvert.api.arrays import decode, encode, sizes
    from wpconvert.errors import WpconvertError
    from wpconvert.report.arrays import Encoded, Sizes

__version__ = "0.1.0"
__all__ = [
    "Encoded",
    "Sizes",
    "WpconvertError",
    "__version__",
    "decode",
    "encode",
    "sizes",
]

_MODULES = {
    "wpconvert.api.arrays": ("decode", "encode", "sizes"),
    "wpconvert.errors": ("WpconvertError",),
    "wpconvert.report.arrays": ("Encoded", "Sizes"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # A checker would take every name for one of the module.

    def __getattr__(name: str) -> Any:
        """What is named for the first time."""
        module = _MODULE_OF.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(module), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
