"""Run the tasks of a batch on Dask. Each conversion is a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue
from threading import current_thread, main_thread
from time import monotonic
from typing import Any

from wpconvert import __version__
from wpconvert.batch.cluster import connected
from wpconvert.batch.journal import Journal, Stamp, source_of
from wpconvert.batch.manifest import Task
from wpconvert.batch.work import DONE, PROCESSES, failed
from wpconvert.interrupts import Interrupted, listen, restore_handlers

KEPT = "kept"
POLL_S = 5.0
"""How often to look whether anybody is still at work."""
NO_WORKERS_S = 60.0
"""How long a scheduler may be without workers: some get theirs when there is something to do."""


@dataclass(frozen=True)
class Result:
    """How a task ended. KEPT: it was done before. nbytes: of the model before and after, where it was converted now.

    message: the error of a failed one. exit_code: of `wpconvert`.
    """

    model: str
    output: str
    status: str
    exit_code: int = 0
    message: str = ""
    nbytes_before: int | None = None
    nbytes_after: int | None = None


def run_batch(
    tasks: Sequence[Task], journal: Journal, workers: int, scheduler: str | None, at_once: int | None = None
) -> Iterator[Result]:
    """The results of all tasks, in the order in which they end; those that the journal has come first.

    workers: how many convert at once on this machine; with `scheduler`, the address of one, its workers do, and at most
    `at_once` of them. They need wpconvert, and the files under the same paths. Raises ToolError when Dask is missing or
    does not answer, FileError when nothing can be noted in the journal, and Interrupted.
    """
    waiting = []
    for task in tasks:
        source = source_of(task)
        if journal.has(task, source):
            yield Result(str(task.model), str(task.output), KEPT)
        else:
            waiting.append((task, source))
    if not waiting:
        return
    with connected(workers, scheduler) as client:
        journal.prepare()
        with PROCESSES.interrupted_at_end() if scheduler is None else nullcontext():
            for task, source, fields in _converted(client, waiting, at_once):
                if fields["status"] == DONE:
                    journal.add(task, source)
                yield Result(str(task.model), str(task.output), **fields)


def _converted(
    client: Any, waiting: Sequence[tuple[Task, Stamp]], at_once: int | None
) -> Iterator[tuple[Task, Stamp, dict[str, Any]]]:
    """The fields of each result. Where the scheduler or the last worker is lost, so are all that are not done."""
    ended: SimpleQueue[Any] = SimpleQueue()
    pending: dict[Any, tuple[Task, Stamp]] = {}
    left = iter(waiting)

    def on_worker(*arguments: Any) -> dict[str, Any]:
        # A function of a function goes over the wire as its code: a scheduler need not have wpconvert, which it would
        # have to import for any other.
        from wpconvert.batch.work import convert  # noqa: PLC0415

        return convert(*arguments)

    def submit(count: int | None) -> None:
        for task, source in islice(left, count):
            arguments = str(task.folder), str(task.model), str(task.output), task.options, __version__
            future = client.submit(on_worker, *arguments, pure=False)
            pending[future] = task, source
            future.add_done_callback(ended.put)

    lost, alone_since = None, None
    with _interrupts_in(ended):
        submit(at_once)
        while pending and lost is None:
            try:
                future = ended.get(timeout=POLL_S)
            except Empty:
                now = monotonic()
                alone_since = None if _has_workers(client) else alone_since or now
                if alone_since is not None and now - alone_since >= NO_WORKERS_S:
                    lost = f"the Dask scheduler had no workers for {NO_WORKERS_S:.0f} s"
                continue
            if isinstance(future, Interrupted):
                raise future
            if future.cancelled():
                lost = "the connection to the Dask scheduler was lost"
                continue
            alone_since = None
            task, source = pending.pop(future)
            yield task, source, _fields(future)
            submit(1)
    for task, source in (*pending.values(), *left):
        yield task, source, failed(f"{lost}; run the batch again")


@contextmanager
def _interrupts_in(ended: SimpleQueue[Any]) -> Iterator[None]:
    """Interrupts become entries of a queue: an exception may fall where a library passes none on."""
    if current_thread() is not main_thread():
        yield
        return
    before = listen(lambda number, _: ended.put(Interrupted(number)))
    try:
        yield
    finally:
        restore_handlers(before)


def _has_workers(client: Any) -> bool:
    try:
        return bool(client.nthreads())
    except Exception:  # Without a scheduler all that is pending will be cancelled.
        return True


def _fields(future: Any) -> dict[str, Any]:
    """What a worker answered, or what has become of it."""
    from distributed import KilledWorker  # noqa: PLC0415 - an extra

    try:
        fields: dict[str, Any] = future.result()
    except ModuleNotFoundError as error:
        message = f"{error.name} is missing on the worker; install wpconvert there"
    except KilledWorker:
        message = "every worker that ran it died, perhaps for lack of memory"
    except Exception as error:  # Whatever ends a worker fails its model alone.
        message = f"worker: {' '.join(str(error).split()) or type(error).__name__}"
    else:
        return fields
    return failed(message)
