"""The kernels, runtime and planning that ship to the device, compiled for this machine."""

from __future__ import annotations

from types import ModuleType

from wpconvert.errors import UnsupportedError


def extension() -> ModuleType:
    """The compiled module, imported when it is first needed: everything else works without it.

    UnsupportedError where it is not built.
    """
    try:
        from wpconvert import _native  # noqa: PLC0415
    except ImportError as error:
        raise UnsupportedError(f"the native engine is not built ({error}); build it with pip install -e .") from error
    return _native
