"""Text that may come from a file, made fit for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with escapes for what a terminal would obey or cannot show.

    These are control characters, line ends, marks of direction, and bytes of a path that are no text.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
