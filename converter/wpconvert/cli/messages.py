"""What the program says on standard error: one line, which obeys no control character of a name."""

from __future__ import annotations

import sys

from wpconvert.report.printable import printable

_MAX_LINE, _TAIL = 1000, 300
"""Characters of an error, and those of its end that stay of a longer one."""


def fail(message: str, code: int) -> int:
    """Print why the program ends; returns the exit code."""
    line = printable(" ".join(message.split()))
    if len(line) > _MAX_LINE:
        # Names in models may be as long as the file.
        line = f"{line[: _MAX_LINE - _TAIL]} … {line[-_TAIL:]}"
    print(f"wpconvert: {line}", file=sys.stderr)
    return code
