"""Giving back the dense model of a file."""

from __future__ import annotations

from pathlib import Path

from wpconvert.errors import UsageError
from wpconvert.files import Workspace, as_given, same_file, size_of, write_all
from wpconvert.formats.registry import read
from wpconvert.job.outputs import check_suffix
from wpconvert.report.result import Restored


def restore_file(path: Path, output: Path) -> Restored:
    """Write the dense model of a file of any format to `output`, with its data next to it if it has any outside.

    Raises FileError, ModelError, UnsupportedError, and UsageError for an output that the input is made of.
    """
    if same_file(path, output):
        raise UsageError(f"-o {output} is the input; give another file")
    check_suffix(path, output, lowering=False)
    source = read(path)
    if any(same_file(output, other) for other in source.files):
        raise UsageError(f"-o {output} contains data of {path}; give another file")
    nbytes, rewritten = source.nbytes, source.rewritten
    with Workspace(output.resolve()) as workspace:
        dense = source.restore(output, workspace)
        size = sum(map(size_of, dense.files.values()))
        write_all(dense.files)
    return Restored(rewritten, dense.losses, tuple(as_given(file, output) for file in dense.files), nbytes, size)
