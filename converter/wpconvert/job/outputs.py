"""Where the results of a conversion go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wpconvert.backends.registry import backend_named
from wpconvert.errors import UsageError
from wpconvert.files import check_distinct, check_writable, same_file
from wpconvert.formats.registry import FORMATS, format_of
from wpconvert.report.export import check_format


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Files to write; nothing is written to what is None.

    model: the rewritten model; in_place: it replaces the input. emitted: where back ends write, by their names. With
    dry_run only plan and report are written.
    """

    model: Path | None = None
    in_place: bool = False
    emitted: Mapping[str, Path] = field(default_factory=dict)
    plan: Path | None = None
    report: Path | None = None
    dry_run: bool = False

    @property
    def returned(self) -> bool:
        """Whether the model is not written, but given back."""
        return self.model is None and not self.in_place and not self.dry_run

    def destination(self, source: Path) -> Path | None:
        """Where the model goes; None where none is asked for.

        UsageError for options that exclude each other; FileError where it would go in vain.
        """
        if self.in_place and self.model is not None:
            raise UsageError("-o and --in-place exclude each other")
        if self.in_place:
            if source.is_file() and not self.dry_run:
                check_writable(source)
            return source
        if self.model is None:
            return None
        if same_file(source, self.model):
            raise UsageError(f"-o {self.model} is the input; use --in-place to replace it")
        check_suffix(source, self.model)
        if not self.dry_run:
            check_writable(self.model)
        return self.model

    def check_suffixes(self) -> None:
        """UsageError for a file that is not named as its content is."""
        for name, path in self.emitted.items():
            backend_named(name).check_path(path)
        if self.report is not None:
            check_format(self.report)

    @property
    def of_backends(self) -> list[Path]:
        """Every file of the back ends."""
        return [file for name, path in self.emitted.items() for file in backend_named(name).outputs(path)]

    def check_apart(self, source: Path, place: Path | None, reads: Sequence[Path | None]) -> None:
        """UsageError where two files are one: written files must not overwrite inputs or each other."""
        written = [] if place is None else [place]
        written += self.of_backends
        named = [*written, *(path for path in (self.plan, self.report, *reads) if path is not None)]
        if place is None or not same_file(place, source):
            named.append(source)
        check_distinct(named)


def check_suffix(model: Path, output: Path, lowering: bool = True) -> None:
    """UsageError where the output's suffix is that of a format that the model cannot become; lowering: if it may be."""
    suffix, own = output.suffix.lower(), format_of(model)
    known = (own.suffix, *(own.lowers_to if lowering else ()))
    if suffix in known or not model.is_file():
        return
    if own.named:
        raise UsageError(f"-o {output}: {model} is an {own.suffix} model, expected the suffix {' or '.join(known)}")
    if any(suffix == other.suffix and other.named for other in FORMATS):
        raise UsageError(f"-o {output}: {model} cannot be converted to an {suffix} model")
