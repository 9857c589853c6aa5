"""Signals that ask the program to end become an exception, so that whatever holds files removes them.

Imports next to nothing: it has to be at work before what takes time to import.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

Handler = Callable[[int, FrameType | None], object]

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""An interrupt of the terminal, a polite request to end, and a terminal that is gone."""


class Interrupted(BaseException):
    """The program was asked to end. Like KeyboardInterrupt no Exception: nobody may take it for a failure.

    more: what else there is to say.
    """

    def __init__(self, number: int, more: str = "") -> None:
        ended = "interrupted" if number == signal.SIGINT else f"terminated by {signal.Signals(number).name}"
        super().__init__(f"{ended}{more}")
        self.number = number
        self.exit_code = 128 + number


def raise_interrupted(number: int, _frame: FrameType | None) -> None:
    """The handler of a program that cleans up where it stands."""
    raise Interrupted(number)


def listen(handler: Handler = raise_interrupted) -> dict[int, object]:
    """Install a handler for the signals; returns the previous handlers, for `restore_handlers`. Main thread only.

    A signal that the parent has us ignore, as `nohup` does, stays ignored.
    """
    before: dict[int, object] = {number: signal.getsignal(number) for number in SIGNALS}
    handlers = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    for number in handlers:
        signal.signal(number, handler)
    return handlers


def restore_handlers(before: dict[int, object]) -> None:
    """Undo `listen`."""
    for number, handler in before.items():
        signal.signal(number, handler)  # type: ignore[arg-type]


@contextmanager
def deferred() -> Iterator[None]:
    """Signals that arrive within the context are handled at its end: renaming and removing files is finished first."""
    if current_thread() is not main_thread():
        # Only the main thread receives any.
        yield
        return
    received: list[int] = []
    before = listen(lambda number, _: received.append(number))
    try:
        yield
    finally:
        restore_handlers(before)
        if received:
            signal.raise_signal(received[0])


def stop_listening() -> None:
    """From here on a signal ends the program at once and without a word; there is nothing left to clean up."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
