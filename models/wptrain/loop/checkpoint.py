"""Where an interrupted training run continues: one file, replaced whole after every epoch."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from wpconvert.errors import FileError, UsageError
from wpconvert.files import write_all

from ..errors import DataError

_FORMAT = 1
# Letters of a text in messages.
_SHOWN = 16

Value = str | int | float | bool | None


class Checkpoint:
    """The file at `path`, for a run with `settings`: everything that decides the result, by name.

    Networks and data are among the settings as hashes of their content.
    """

    def __init__(self, path: Path, settings: Mapping[str, Value]) -> None:
        self._path = path
        self._settings = dict(settings)

    def load(self) -> dict[str, Any] | None:
        """The state that was saved last; None when there is no file.

        Raises UsageError when the file is of a run with other settings, DataError when it is no checkpoint, FileError
        when it cannot be read.
        """
        try:
            # Weights only: a pickle could run code.
            content = torch.load(io.BytesIO(self._path.read_bytes()), map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileError(f"{self._path}: cannot be read: {error.strerror}") from error
        except Exception as error:
            # A damaged pickle can end in almost any exception.
            raise self.malformed() from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise self.malformed()
        settings, state = content.get("settings"), content.get("state")
        if not isinstance(settings, dict) or not isinstance(state, dict):
            raise self.malformed()
        self._compare(settings)
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file atomically; `state` holds tensors, numbers, texts, and dicts and lists of them."""
        buffer = io.BytesIO()
        torch.save({"format": _FORMAT, "settings": self._settings, "state": state}, buffer)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{self._path.parent}: cannot be created: {error.strerror}") from error
        write_all({self._path: buffer.getvalue()})

    def _compare(self, kept: dict[str, Any]) -> None:
        names = sorted({*kept, *self._settings}, key=str)
        differing = [name for name in names if kept.get(name) != self._settings.get(name)]
        if differing:
            changes = ", ".join(
                f"{name} {_short(kept.get(name))}, now {_short(self._settings.get(name))}" for name in differing
            )
            raise UsageError(
                f"{self._path}: the checkpoint belongs to another training: {changes}; train into another folder, "
                "or delete the checkpoint to start over"
            )

    def malformed(self) -> DataError:
        """The error of a file that holds something else than the state of this run."""
        return DataError(f"{self._path}: not a checkpoint of wptrain, or damaged; delete it to start over")


def _short(value: object) -> str:
    """As in Python; of a long text the beginning, which tells two hashes apart."""
    return f"'{value[:_SHOWN]}…'" if isinstance(value, str) and len(value) > _SHOWN else repr(value)
