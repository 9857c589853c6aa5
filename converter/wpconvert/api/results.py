"""Results that are models: what was done, and the bytes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wpconvert.errors import FileError
from wpconvert.report.result import Conversion, Restored
from wpconvert.report.view import View

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, repr=False)
class Made(View):
    """A model that was made. content: its bytes where they were written nowhere; path: where they were."""

    content: bytes | None
    path: Path | None

    @property
    def data(self) -> bytes:
        """The bytes of the model file; FileError where it was not made, or is no longer where it was written."""
        if self.content is not None:
            return self.content
        if self.path is None:
            raise FileError("the model was not written: it was a dry run")
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise FileError(f"{self.path}: cannot be read: {error.strerror}") from error


@dataclass(frozen=True, repr=False)
class ConvertedModel(Made):
    """What `convert` made. report: what was done, tensor by tensor, what was verified, and what is predicted."""

    report: Conversion

    def to_dict(self) -> dict[str, Any]:
        return self.report.to_dict()

    def summary(self) -> str:
        return self.report.summary()

    def print_on(self, console: Console) -> None:
        self.report.print_on(console)


@dataclass(frozen=True, repr=False)
class RestoredModel(Made):
    """What `restore` made. report: whether there was anything to do, and what could not be given back."""

    report: Restored

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self.report), "files": [str(path) for path in self.report.files]}

    def summary(self) -> str:
        report = self.report
        what = "dense again" if report.rewritten else "had no rewritten operators"
        losses = f", {len(report.losses)} losses" if report.losses else ""
        return f"{what}, {report.nbytes_before:,} → {report.nbytes_after:,} bytes{losses}"

    def print_on(self, console: Console) -> None:
        from wpconvert.report.text import print_restored  # noqa: PLC0415 - only where it is printed

        print_restored(console, self.report)


@dataclass(frozen=True, repr=False)
class LoweredModel(Made):
    """What `lower` made. source: the model that was lowered; nbytes: of the .tflite file."""

    source: str
    nbytes: int

    def to_dict(self) -> dict[str, Any]:
        return {"source": self.source, "nbytes": self.nbytes, "written": [] if self.path is None else [str(self.path)]}

    def summary(self) -> str:
        return f"{self.source} lowered to a .tflite model of {self.nbytes:,} bytes"

    def print_on(self, console: Console) -> None:
        from wpconvert.report.table import escape  # noqa: PLC0415 - only where it is printed

        console.print(escape(self.summary()))
