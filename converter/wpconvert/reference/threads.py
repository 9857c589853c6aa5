"""Keeps the linear algebra library to one thread.

The matrix products of these models take microseconds, less than waking the library's worker threads; where other
processes hold the cores, waiting for the workers makes a run tens of times slower. Results do not depend on it.
"""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager

from threadpoolctl import ThreadpoolController


@functools.cache
def _controller() -> ThreadpoolController:
    """The controller of the loaded libraries; looking for them takes milliseconds, hence once."""
    return ThreadpoolController()


def single_threaded() -> AbstractContextManager[object]:
    """A context in which matrix products run on the calling thread only."""
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited
