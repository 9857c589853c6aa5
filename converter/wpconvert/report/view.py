"""What every result can do: text for a terminal, JSON for a program, HTML for a notebook."""

from __future__ import annotations

import html
import io
from dataclasses import asdict, is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH = 120


class View:
    """A result: a frozen dataclass that says in one line what it is, and prints itself."""

    printer: ClassVar[str]
    """The `module:function` that prints it on a console. Results are not always printed: it is imported when needed."""

    def summary(self) -> str:
        """What it says, in one line."""
        raise NotImplementedError

    def print_on(self, console: Console) -> None:
        """All of it as text, as the command of its name prints it."""
        module, _, function = self.printer.partition(":")
        getattr(import_module(module), function)(console, self)

    def to_dict(self) -> dict[str, Any]:
        """All of it as numbers, texts, lists and dictionaries."""
        return asdict(self) if is_dataclass(self) else {}

    def to_json(self) -> str:
        """All of it as JSON, as the command of its name gives with `--json`."""
        from wpconvert.report.export import to_json  # noqa: PLC0415 - few results are exported

        return to_json(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary()}>"

    def __str__(self) -> str:
        from wpconvert.report.screen import Screen  # noqa: PLC0415 - few results are printed

        text = io.StringIO()
        self.print_on(Screen(file=text, width=_WIDTH))
        return text.getvalue().rstrip("\n")

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"
