"""Where text is printed to: a terminal, a pipe or a string."""

from __future__ import annotations

from typing import IO, Any

from rich.console import Console
from rich.text import Text

from wpconvert.report.printable import printable


class Screen(Console):
    """Obeys no control character of a text: whatever is printed may have names of a file in it.

    Lines are left to the terminal to wrap, so that paths can be copied; tables fit its width.
    """

    def __init__(self, file: IO[str] | None = None, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(file=file, stderr=stderr, width=width, highlight=False, emoji=False, soft_wrap=not stderr)

    def render_str(self, text: str, **options: Any) -> Text:
        lines = map(printable, text.split("\n"))
        return super().render_str("\n".join(lines), **options)
