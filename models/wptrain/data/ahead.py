"""Batches that are made while training computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from .draws import Key
from .module import Batch, DataModule, SplitName

# One is used, two are ready or being made.
_AHEAD = 2


def batches(
    module: DataModule, split: SplitName, parts: Iterable[NDArray[np.int64]], key: Key | None = None
) -> Generator[Batch, None, None]:
    """`module.batch` of each part, in order, made by a thread that is two batches ahead.

    Raises what `batch` raises, when it is the batch's turn. Close it when not all batches are taken.
    """
    ready: deque[Future[Batch]] = deque()
    pool = ThreadPoolExecutor(1, "batches")
    try:
        for part in parts:
            ready.append(pool.submit(module.batch, split, part, key))
            if len(ready) > _AHEAD:
                yield ready.popleft().result()
        while ready:
            yield ready.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
