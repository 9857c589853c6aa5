"""What of a batch is done: a file next to the manifest, to which a line is added for each model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from wpconvert import __version__
from wpconvert.batch.manifest import Task
from wpconvert.errors import FileError, WpconvertError
from wpconvert.formats.registry import format_of

SUFFIX = ".done"

Stamp = dict[str, Any]
"""What results are made of, see `source_of`."""


class Journal:
    """The journal of one manifest. A task is done if model, options and result are those that were noted."""

    def __init__(self, manifest: Path) -> None:
        self.path = manifest.with_name(manifest.name + SUFFIX)
        self._done: dict[str, dict[str, Any]] = {}
        try:
            lines = self.path.read_text("utf-8").splitlines() if self.path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise FileError(f"{self.path}: cannot be read: {reason}; delete it to start over") from error
        for line in lines:
            try:
                entry = json.loads(line)
                self._done[entry["output"]] = entry
            except (ValueError, KeyError, TypeError):
                # An interrupted run may have left half a line.
                continue

    def has(self, task: Task, source: Stamp) -> bool:
        """Whether the task's results are there, and made of `source`."""
        entry = self._done.get(str(task.output))
        return entry is not None and entry == _entry(task, source)

    def prepare(self) -> None:
        """Make sure, before there is anything to note, that it can be noted, on a line of its own. Raises FileError."""
        try:
            with self.path.open("ab+") as file:
                file.seek(max(0, file.tell() - 1))
                if file.read(1) not in (b"", b"\n"):
                    file.write(b"\n")
        except OSError as error:
            raise FileError(f"{self.path}: cannot be written: {error.strerror}") from error

    def add(self, task: Task, source: Stamp) -> None:
        """Note that results were made of `source`. Raises FileError."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(_entry(task, source)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise FileError(f"{self.path}: cannot be written: {error.strerror}") from error


def source_of(task: Task) -> Stamp:
    """What results are made of: the tool, the options, name, size and time of the files that are read.

    To be taken before they are read: a file that changes meanwhile makes another result.
    """
    return {
        "tool": __version__,
        "options": list(task.options),
        "files": [_stamps(f) for f in (task.model, *task.reads)],
    }


def _entry(task: Task, source: Stamp) -> dict[str, Any]:
    results = [_stamps(file) for file in (task.output, *task.writes)]
    return {"output": str(task.output), "source": source, "results": results}


def _stamps(path: Path) -> list[list[Any]] | None:
    """Name, size and time of a file, and of those with data of a model; None where it cannot be read."""
    try:
        files = [path, *format_of(path).other_files(path)]
        stamps = [(file, file.stat()) for file in files]
    except (OSError, WpconvertError):
        return None
    return [[str(file), stamp.st_size, stamp.st_mtime_ns] for file, stamp in stamps]
