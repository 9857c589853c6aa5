"""A `.tflite` file, as a job sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wpconvert.errors import UnsupportedError
from wpconvert.files import Workspace
from wpconvert.formats.protocol import Comparison, Counted, Dense, Draft, Lowered, Source
from wpconvert.formats.tflite.attached import with_attached
from wpconvert.formats.tflite.draft import TfliteDraft
from wpconvert.formats.tflite.file import parse, read, serialise
from wpconvert.formats.tflite.forms import TfliteForms
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.restore import is_rewritten, restore
from wpconvert.graph.executable import Executable
from wpconvert.model.convolution import Convolution
from wpconvert.model.settings import Settings
from wpconvert.report.inspection import Inspection


@dataclass(frozen=True)
class TfliteSource:
    """The bytes of a file and the model in them."""

    path: Path
    data: bytes
    model: TfliteModel

    @property
    def nbytes(self) -> int:
        """Of the file."""
        return len(self.data)

    @property
    def files(self) -> Sequence[Path]:
        """None: all is in the file."""
        return ()

    @property
    def rewritten(self) -> bool:
        """Whether any operator is one of ours."""
        return is_rewritten(self.model)

    def content(self) -> bytes:
        """The file."""
        return self.data

    def executable(self) -> Executable:
        """The model."""
        return self.model

    def convolutions(self) -> list[Convolution]:
        """Its layers with weights."""
        from wpconvert.formats.tflite.convolutions import convolutions_of  # noqa: PLC0415 - for those who ask

        return convolutions_of(self.model.graph)

    def inspect(self, counted: Counted) -> Inspection:
        """Look at it; every method is tried on every weight."""
        from wpconvert.formats.tflite.inspect import inspect_model  # noqa: PLC0415 - for those who ask

        return inspect_model(str(self.path), self.data, self.model, counted)

    def restore(self, output: Path, workspace: Workspace) -> Dense:  # noqa: ARG002 - what formats are given
        """The dense model; the unchanged file where nothing is rewritten."""
        if not self.rewritten:
            return Dense({output: self.data}, [])
        model = self.model.copy()
        losses = restore(model)
        return Dense({output: with_attached(serialise(model), model.attached)}, losses)

    @property
    def attached_nbytes(self) -> int:
        """Bytes behind the model, most often files in an archive."""
        return 0 if self.model.attached is None else len(self.model.attached.data)

    def outputs(self, output: Path) -> Sequence[Path]:
        """One."""
        return (output,)

    def draft(self, settings: Settings, workspace: Workspace) -> Draft:  # noqa: ARG002 - what formats are given
        """The model for another file."""
        return TfliteDraft(self.path, self.data, self.model, settings)

    def lower(self, calibration: Path | None) -> Lowered:  # noqa: ARG002 - what formats are given
        """UnsupportedError: there is nothing to lower."""
        raise UnsupportedError(f"{self.path}: a .tflite model cannot be lowered")

    def compared(self, other: Source) -> Comparison | None:
        """The comparison with another form of the model."""
        return TfliteForms(self.model, other.model) if isinstance(other, TfliteSource) else None


def read_source(path: Path) -> TfliteSource:
    """Read a file; raises what `file.read` raises."""
    return TfliteSource(path, *read(path))


def source_of(data: bytes, name: str = "model") -> TfliteSource:
    """A model that is in memory; reports call it by the name. ModelError, UnsupportedError."""
    return TfliteSource(Path(name), data, parse(data))
