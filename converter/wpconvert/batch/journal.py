"""What of a batch is done: a file beside the manifest, to which a line is added for each model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from wpconvert import __version__
from wpconvert.batch.manifest import Task
from wpconvert.errors import FileError, WpconvertError
from wpconvert.onnx.file import is_onnx, read

SUFFIX = ".done"


class Journal:
    """The journal of one manifest. A task is done if model, options and result are those that were noted."""

    def __init__(self, manifest: Path) -> None:
        self.path = manifest.with_name(manifest.name + SUFFIX)
        self._done: dict[str, dict[str, Any]] = {}
        try:
            lines = self.path.read_text("utf-8").splitlines() if self.path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(f"{self.path}: cannot be read: {error}; delete it to start anew") from error
        for line in lines:
            try:
                entry = json.loads(line)
                self._done[entry["output"]] = entry
            except (ValueError, KeyError, TypeError):
                # An interrupted run may have left half a line.
                continue

    def has(self, task: Task) -> bool:
        """Whether the task's result is there, and made of what it would be made of now."""
        entry = self._done.get(str(task.output))
        return entry is not None and entry == _entry(task)

    def add(self, task: Task) -> None:
        """Note a result. Raises FileError."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(_entry(task)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise FileError(f"{self.path}: cannot be written: {error.strerror}") from error


def _entry(task: Task) -> dict[str, Any]:
    """What makes a result: the tool, the options, and size and time of the files."""
    return {
        "output": str(task.output),
        "tool": __version__,
        "options": list(task.options),
        "model": _stamps(task.model),
        "result": _stamps(task.output),
    }


def _stamps(path: Path) -> list[list[Any]] | None:
    """Name, size and time of a model's files; None where it cannot be read."""
    try:
        files = [path, *(read(path).files.paths if is_onnx(path) else ())]
        stamps = [(file, file.stat()) for file in files]
    except (OSError, WpconvertError):
        return None
    return [[str(file), stamp.st_size, stamp.st_mtime_ns] for file, stamp in stamps]
