"""The connection to Dask: a running scheduler, or threads of this process."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wpconvert.errors import ToolError

CONNECT_S = 20


@contextmanager
def connected(workers: int, scheduler: str | None) -> Iterator[Any]:
    """A Dask client: of the scheduler at that address, or of so many threads. ToolError when nothing answers there.

    While it is open, Dask logs nothing: whatever happens to a model is told as its result.
    """
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ToolError("batch needs Dask: pip install 'wpconvert[batch]'") from error
    logging.disable()
    try:
        with warnings.catch_warnings():
            # Of other versions on workers: each task looks for the one that matters.
            warnings.simplefilter("ignore")
            if scheduler is None:
                # The work is in processes that the threads wait for.
                options = {"n_workers": 1, "threads_per_worker": workers, "processes": False}
                with LocalCluster(**options, dashboard_address=None) as cluster, Client(cluster) as client:
                    yield client
                return
            _check(scheduler)
            try:
                client = Client(scheduler, timeout=CONNECT_S)
            except (OSError, ValueError, TimeoutError) as error:
                raise _silent(scheduler, error) from error
            with client:
                yield client
    finally:
        logging.disable(logging.NOTSET)


def _check(scheduler: str) -> None:
    """ToolError unless a scheduler answers; the client itself would wait for ever for what is none."""
    from distributed.core import rpc  # noqa: PLC0415 - an extra

    async def kind() -> str:
        async with rpc(scheduler) as remote:
            return str((await remote.identity())["type"])

    try:
        found = asyncio.run(asyncio.wait_for(kind(), CONNECT_S))
    except Exception as error:  # Whatever is there may answer anything.
        raise _silent(scheduler, error) from error
    if found != "Scheduler":
        raise ToolError(f"{scheduler} is the address of a Dask {found}; --scheduler takes that of a Dask scheduler")


def _silent(scheduler: str, error: Exception) -> ToolError:
    reason = str(error) or f"no answer within {CONNECT_S} s"
    return ToolError(f"no Dask scheduler answers at {scheduler!r}: {reason}; expected one like tcp://host:8786")
