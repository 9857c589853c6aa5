"""How the functions take files."""

from __future__ import annotations

import os
from pathlib import Path

PathLike = str | os.PathLike[str]


def optional_path(path: PathLike | None) -> Path | None:
    """The path, if any."""
    return None if path is None else Path(path)
