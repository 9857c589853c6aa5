"""`wpconvert restore MODEL.onnx`."""

from __future__ import annotations

from pathlib import Path

from wpconvert.errors import UsageError
from wpconvert.files import same_file, staging, write_all
from wpconvert.formats.onnx.compressed import is_rewritten
from wpconvert.formats.onnx.file import read, told_of
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.restore import restore
from wpconvert.report.result import Restored


def restore_onnx(source: Path, output: Path) -> Restored:
    """Write the dense model of an `.onnx` file, with its external data beside it if it has any."""
    model = read(source)
    nbytes, rewritten = model.total_nbytes, is_rewritten(model)
    if any(same_file(output, path) for path in model.files.paths):
        raise UsageError(f"-o {output} has data of {source}; give another file")
    target = Target.beside(output.resolve(), model.files.paths)
    with staging(target.model) as folder:
        staged = target.within(folder)
        with told_of(source):
            losses = restore(model, staged)
        files = {target.model.with_name(path.name): path for path in staged.files}
        size = sum(path.stat().st_size for path in staged.files)
        write_all(dict(files))
    return Restored(rewritten, losses, tuple(files), nbytes, size)
