"""What `wpconvert MODEL` checks of its options before it reads anything."""

from __future__ import annotations

from pathlib import Path

from wpconvert.backends.c.c_array import check_path, header_path
from wpconvert.errors import UsageError
from wpconvert.files import check_writable, same_file
from wpconvert.formats.registry import FORMATS, format_of
from wpconvert.model.rules import METHODS
from wpconvert.report.export import check_format


def destination(model: Path, output: Path | None, in_place: bool, to_c: Path | None, dry_run: bool) -> Path | None:
    """Where the model goes; None where nothing is to be written.

    UsageError for options that exclude each other; FileError where it would go in vain.
    """
    if in_place and output is not None:
        raise UsageError("-o and --in-place exclude each other")
    if in_place:
        if model.is_file() and not dry_run:
            check_writable(model)
        return model
    if output is None and to_c is None and not dry_run:
        raise UsageError("nothing to write: give -o OUT, --in-place, --to-c FILE.c or --dry-run")
    if output is not None and same_file(model, output):
        raise UsageError(f"-o {output} is the input; use --in-place to replace it")
    if output is not None:
        check_suffix(model, output)
        if not dry_run:
            check_writable(output)
    return output


def check_suffix(model: Path, output: Path, lowering: bool = True) -> None:
    """UsageError where the output's suffix is that of a format that the model cannot become; lowering: if it may be."""
    suffix, own = output.suffix.lower(), format_of(model)
    known = (own.suffix, *(own.lowers_to if lowering else ()))
    if suffix in known or not model.is_file():
        return
    if own.named:
        raise UsageError(f"-o {output}: {model} is an {own.suffix} model, expected the suffix {' or '.join(known)}")
    if any(suffix == other.suffix and other.named for other in FORMATS):
        raise UsageError(f"-o {output}: {model} is no {suffix} model, and cannot become one")


def check_options(method: str, to_c: Path | None, report: Path | None, verbose: bool, quiet: bool) -> None:
    """UsageError for options that are wrong by themselves."""
    if method not in METHODS:
        raise UsageError(f"unknown method {method!r}, expected one of {', '.join(METHODS)}; see wpconvert methods")
    if verbose and quiet:
        raise UsageError("-v and -q exclude each other")
    if to_c is not None:
        check_path(to_c)
    if report is not None:
        check_format(report)


def check_paths(model: Path, target: Path | None, to_c: Path | None, *others: Path | None) -> None:
    """No two files of the command line may be one: written files must not overwrite inputs or each other."""
    written = [path for path in (target, to_c, None if to_c is None else header_path(to_c)) if path is not None]
    named = [*written, *(path for path in others if path is not None)]
    if target is None or not same_file(target, model):
        named.append(model)
    for index, path in enumerate(named):
        for other in named[index + 1 :]:
            if same_file(path, other):
                raise UsageError(f"{path} is named twice; inputs and outputs must be different files")


def refuse_tflite_options(options: dict[str, object]) -> None:
    """UsageError where one of these options, by name, has a value."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UsageError(f"{given[0]} is for .tflite models")
