"""Text that may come from a file, made fit for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with escapes for what a terminal would obey: control characters, marks of direction, line ends.

    A byte of a path that is no text, which Python holds as half a surrogate pair, stays: the stream writes its escape.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or "\ud800" <= c <= "\udfff" else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
