"""`wpconvert restore MODEL`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wpconvert.cli.checks import check_suffix
from wpconvert.cli.console import OUT, ModelArgument
from wpconvert.errors import UsageError
from wpconvert.files import same_file, write_all
from wpconvert.formats.onnx.sniff import is_onnx
from wpconvert.formats.tflite.attached import behind
from wpconvert.formats.tflite.file import read, serialise
from wpconvert.formats.tflite.restore import is_rewritten
from wpconvert.formats.tflite.restore import restore as restore_model
from wpconvert.report.result import Restored
from wpconvert.report.table import escape


def restore(
    model: ModelArgument,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT", help="The dense model.", show_default=False),
    ],
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
) -> None:
    """Give back the dense model: weights, shapes, types and quantisation as they were. Any runtime runs it.

    Of a .tflite file written with --strip, names, ranges and original scales are gone; this is said, and the weights
    are exact.
    """
    if same_file(model, output):
        raise UsageError(f"-o {output} is the input; give another file")
    check_suffix(model, output, (".onnx",))
    done = _restore_onnx(model, output) if is_onnx(model) else _restore_tflite(model, output)
    if quiet:
        return
    if not done.rewritten:
        OUT.print("the model has no rewritten operators; it was copied")
    for loss in done.losses:
        OUT.print(f"note: {escape(loss)}")
    OUT.print(f"wrote {escape(', '.join(map(str, done.files)))}, {done.nbytes_before:,} → {done.nbytes_after:,} bytes")


def _restore_onnx(model: Path, output: Path) -> Restored:
    from wpconvert.cli.restore_onnx import restore_onnx  # noqa: PLC0415 - ONNX for its models alone

    return restore_onnx(model, output)


def _restore_tflite(model: Path, output: Path) -> Restored:
    data, parsed = read(model)
    rewritten = is_rewritten(parsed)
    losses = restore_model(parsed)
    result = behind(serialise(parsed), parsed.attached) if rewritten else data
    write_all({output: result})
    return Restored(rewritten, losses, (output,), len(data), len(result))


restore.epilog = (  # type: ignore[attr-defined]
    "Examples:\n\n  wpconvert restore small.tflite -o dense.tflite\n\n  wpconvert restore small.onnx -o dense.onnx"
)
