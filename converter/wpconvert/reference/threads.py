"""Keeps the linear algebra library to one thread.

The matrix products of these models take microseconds, less than waking the library's worker threads; where other
processes hold the cores, waiting for the workers makes a run tens of times slower. Results do not depend on it.
"""

from __future__ import annotations

import functools
import importlib
from contextlib import AbstractContextManager, nullcontext
from typing import Any


@functools.cache
def _controller() -> Any:
    """threadpoolctl's controller of the loaded libraries; None where the package is not installed."""
    try:
        return importlib.import_module("threadpoolctl").ThreadpoolController()
    except ImportError:
        return None


def single_threaded() -> AbstractContextManager[Any]:
    """A context in which matrix products run on the calling thread only."""
    controller = _controller()
    if controller is None:
        return nullcontext()
    limited: AbstractContextManager[Any] = controller.limit(limits=1, user_api="blas")
    return limited
