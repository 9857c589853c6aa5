"""An `.onnx` file, as a job sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wpconvert.errors import UnsupportedError
from wpconvert.files import Workspace
from wpconvert.formats.onnx.compressed import is_rewritten
from wpconvert.formats.onnx.file import OnnxModel, read, with_path
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.restore import restore
from wpconvert.formats.protocol import Comparison, Counted, Dense, Draft, Lowered, Source
from wpconvert.formats.tflite.source import TfliteSource
from wpconvert.graph.executable import Executable
from wpconvert.model.convolution import Convolution
from wpconvert.model.settings import Settings
from wpconvert.report.inspection import Inspection


@dataclass(frozen=True)
class OnnxSource:
    """A model and where it is."""

    model: OnnxModel

    @property
    def path(self) -> Path:
        """Of the file."""
        return self.model.path

    @property
    def nbytes(self) -> int:
        """Of the file and of the data that it names outside."""
        return self.model.total_nbytes

    @property
    def files(self) -> Sequence[Path]:
        """Those with its external data."""
        return self.model.files.paths

    @property
    def rewritten(self) -> bool:
        """Whether any weights are decoded by our operators."""
        return is_rewritten(self.model)

    def content(self) -> bytes:
        """The model file."""
        return self.path.read_bytes()

    def executable(self) -> Executable:
        """UnsupportedError: no firmware takes it."""
        raise UnsupportedError(f"{self.path}: boards run .tflite models; convert it to one with -o OUT.tflite")

    def convolutions(self) -> list[Convolution]:
        """Its layers with weights. UnsupportedError where shapes are not known."""
        from wpconvert.formats.onnx.convolutions import convolutions_of  # noqa: PLC0415 - for those who ask

        with with_path(self.path):
            return convolutions_of(self.model.proto)

    def inspect(self, counted: Counted) -> Inspection:
        """Look at it; every lossless method is tried on every weight."""
        from wpconvert.formats.onnx.inspect import inspect_onnx  # noqa: PLC0415 - for those who ask

        return inspect_onnx(self.model, counted)

    def restore(self, output: Path, workspace: Workspace) -> Dense:
        """The dense model, with its external data next to it if it has any."""
        target = Target.next_to(output.resolve(), self.files)
        staged = target.moved_to(workspace.folder)
        with with_path(self.path):
            losses = restore(self.model.copy(), staged)
        return Dense(target.placed(staged), losses)

    @property
    def attached_nbytes(self) -> int:
        """None."""
        return 0

    def outputs(self, output: Path) -> Sequence[Path]:
        """The model, and the file for its external data."""
        target = Target.next_to(output.resolve(), self.files)
        return (target.model, target.data)

    def draft(self, settings: Settings, workspace: Workspace) -> Draft:
        """The model for another file, which is staged in the workspace."""
        from wpconvert.formats.onnx.draft import OnnxDraft  # noqa: PLC0415 - what encodes

        return OnnxDraft(self.model, settings, workspace)

    def lower(self, calibration: Path | None) -> Lowered:
        """The `.tflite` model, calibrated with samples if they are given; see `lowered`."""
        from wpconvert.formats.onnx.network import Network  # noqa: PLC0415 - what lowers

        return Network.from_model(self.model, calibration)

    def compared(self, other: Source) -> Comparison | None:
        """The comparison with another form of the model, or with a `.tflite` model that it was lowered to."""
        if isinstance(other, OnnxSource):
            from wpconvert.formats.onnx.forms import OnnxForms  # noqa: PLC0415 - what runs models

            return OnnxForms(self.model, other.model)
        if isinstance(other, TfliteSource):
            from wpconvert.formats.onnx.mixed import OnnxLowering  # noqa: PLC0415 - what knows lowered ones

            return OnnxLowering(self.model, other.model)
        return None


def read_source(path: Path) -> OnnxSource:
    """Read a file; raises what `file.read` raises."""
    return OnnxSource(read(path))
