"""The log of a training: one line of JSON for each epoch, and its curve, both replaced whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from wpconvert.files import write_all

from ..errors import DataError
from .curve import curve

Value = str | int | float | bool


class RunLog:
    """FOLDER/TITLE.jsonl and FOLDER/TITLE.svg.

    A training that continues after epoch n replaces what was logged of later ones: no epoch is there twice.
    """

    def __init__(self, folder: Path, title: str) -> None:
        self.path = folder / f"{title}.jsonl"
        self.curve = folder / f"{title}.svg"
        self._title = title

    def epoch(self, epoch: int, values: Mapping[str, Value]) -> None:
        """Log an epoch, counted from 0; the file counts from 1.

        Raises DataError when the file that is there is no such log, FileError when it cannot be written.
        """
        kept = [line for line in self.read() if isinstance(line["epoch"], int) and line["epoch"] <= epoch]
        lines = [*kept, {"epoch": epoch + 1, **values}]
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_all({self.path: text.encode(), self.curve: curve(self._title, lines).encode()})

    def read(self) -> list[dict[str, Value]]:
        """What was logged. Raises DataError as `epoch` does."""
        try:
            lines = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise self._malformed() from error
        if not all(isinstance(line, dict) and isinstance(line.get("epoch"), int) for line in lines):
            raise self._malformed()
        return lines

    def _malformed(self) -> DataError:
        return DataError(f"{self.path}: not a log of wptrain, or damaged; move it away to start a new one")
