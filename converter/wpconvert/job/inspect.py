"""What there is to know of a model file."""

from __future__ import annotations

from pathlib import Path

from wpconvert.formats.registry import read
from wpconvert.job.progress import Stages, silent
from wpconvert.report.inspection import Inspection


def inspect_file(path: Path, *, stages: Stages = silent) -> Inspection:
    """Look at a file of any format. Raises FileError, ModelError and UnsupportedError."""
    with stages("inspect", 1) as stage:

        def counted(_done: int, total: int) -> None:
            stage.total(total)
            stage.advance()

        return read(path).inspect(counted)
