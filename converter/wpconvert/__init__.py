"""wpconvert rewrites neural network files so that compressed weights execute in place on microcontrollers.

docs/API.md describes the functions and results of this module. Importing it is cheap: what a function needs is imported
when it is first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wpconvert.api.arrays import decode, encode, sizes
    from wpconvert.api.convert import convert
    from wpconvert.api.devices import bench, run
    from wpconvert.api.models import inspect, lower, restore, verify
    from wpconvert.api.results import ConvertedModel, LoweredModel, RestoredModel
    from wpconvert.api.schedule import schedule
    from wpconvert.benchmark.result import Benchmark, Comparison
    from wpconvert.errors import WpconvertError
    from wpconvert.report.arrays import Encoded, Sizes
    from wpconvert.report.inspection import Inspection
    from wpconvert.report.result import Conversion, Verification
    from wpconvert.report.schedule import Schedule
    from wpconvert.target.result import TargetReport

__version__ = "0.1.0"
__all__ = [
    "Benchmark",
    "Comparison",
    "Conversion",
    "ConvertedModel",
    "Encoded",
    "Inspection",
    "LoweredModel",
    "RestoredModel",
    "Schedule",
    "Sizes",
    "TargetReport",
    "Verification",
    "WpconvertError",
    "__version__",
    "bench",
    "convert",
    "decode",
    "encode",
    "inspect",
    "lower",
    "restore",
    "run",
    "schedule",
    "sizes",
    "verify",
]

_MODULES = {
    "wpconvert.api.arrays": ("decode", "encode", "sizes"),
    "wpconvert.api.convert": ("convert",),
    "wpconvert.api.devices": ("bench", "run"),
    "wpconvert.api.models": ("inspect", "lower", "restore", "verify"),
    "wpconvert.api.results": ("ConvertedModel", "LoweredModel", "RestoredModel"),
    "wpconvert.api.schedule": ("schedule",),
    "wpconvert.benchmark.result": ("Benchmark", "Comparison"),
    "wpconvert.errors": ("WpconvertError",),
    "wpconvert.report.arrays": ("Encoded", "Sizes"),
    "wpconvert.report.inspection": ("Inspection",),
    "wpconvert.report.result": ("Conversion", "Verification"),
    "wpconvert.report.schedule": ("Schedule",),
    "wpconvert.target.result": ("TargetReport",),
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
