"""The program `wpconvert`, from its first moment to its exit code. What is slow to import is imported when needed."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from wpconvert.cli.messages import fail
from wpconvert.errors import FileError
from wpconvert.interrupts import Interrupted, listen, stop_listening

INTERNAL = 70
"""The exit code of an error that is a bug of ours: EX_SOFTWARE of sysexits.h."""
TRACEBACK = "WPCONVERT_TRACEBACK"
"""The environment variable that shows such an error with its traceback."""
_NEW_OBJECTS = 100_000
"""Before garbage is looked for."""


def run(arguments: Sequence[str]) -> int:
    """Run a command line (without the program's name); returns the exit code, having printed at most one error line.

    Raises Interrupted.
    """
    from wpconvert.cli.app import execute  # noqa: PLC0415 - an interrupt has to be heard before

    return execute(arguments)


def main() -> None:
    """Entry point of the console script."""
    # A model is a large tree without cycles: looking for them in it takes time and finds nothing.
    gc.set_threshold(_NEW_OBJECTS)
    try:
        listen()
        for stream in (sys.stdout, sys.stderr):
            # Names in models and paths need not fit the terminal's encoding.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        code = _flushed(run(sys.argv[1:]))
        stop_listening()
    except Interrupted as interrupt:
        stop_listening()
        code = fail(str(interrupt), interrupt.exit_code)
    except Exception as error:
        stop_listening()
        if os.environ.get(TRACEBACK):
            raise
        code = fail(_unexpected(error), INTERNAL)
    sys.exit(code)


def _unexpected(error: Exception) -> str:
    """What to print for an error that no code of ours expects."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = "" if frame is None else f" ({Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno})"
    return (
        f"internal error{where}: {type(error).__name__}: {error}. This is a bug in wpconvert; "
        f"set {TRACEBACK}=1 to get the traceback for a report"
    )


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or fail(f"cannot be written: {error.strerror}", FileError.exit_code)
        # The interpreter flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


if __name__ == "__main__":
    main()
