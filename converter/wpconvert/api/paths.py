"""How the functions take files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from wpconvert.errors import UsageError
from wpconvert.files import same_file

PathLike = str | os.PathLike[str]


def optional_path(path: PathLike | None) -> Path | None:
    """The path, if any."""
    return None if path is None else Path(path)


def check_distinct(paths: Iterable[Path]) -> None:
    """UsageError where two of these are one file: what is written must not overwrite inputs or each other."""
    known: list[Path] = []
    for path in paths:
        if any(same_file(path, other) for other in known):
            raise UsageError(f"{path} is given twice; inputs and outputs must be different files")
        known.append(path)
