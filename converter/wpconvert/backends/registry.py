"""The back ends: a row each. A back end is a folder whose package has `check_path`, `outputs` and `emit`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from wpconvert.errors import UsageError
from wpconvert.graph.executable import Executable


@dataclass(frozen=True)
class Backend:
    """What a model becomes beside a file of its own format.

    The option `--to-NAME` of a conversion says where it goes; metavar and help are that option's. package: where its
    functions are, imported when they are needed.
    """

    name: str
    metavar: str
    help: str
    package: str

    @property
    def parameter(self) -> str:
        """The name of its option's parameter."""
        return f"to_{self.name}"

    @property
    def flag(self) -> str:
        """Its option."""
        return f"--to-{self.name}"

    def check_path(self, path: Path) -> None:
        """UsageError unless it can write to that path."""
        import_module(self.package).check_path(path)

    def outputs(self, path: Path) -> Sequence[Path]:
        """Every file that it writes for that path."""
        found: Sequence[Path] = import_module(self.package).outputs(path)
        return found

    def emit(self, path: Path, model: Executable, data: bytes, source: str) -> dict[Path, bytes]:
        """The files for a model and the bytes of its file; `source` names it in comments. UnsupportedError."""
        files: dict[Path, bytes] = import_module(self.package).emit(path, model, data, source)
        return files


BACKENDS = {
    backend.name: backend
    for backend in (
        Backend(
            "c",
            "FILE.c",
            "Write the model as C source, FILE.c and FILE.h, in addition to or instead of -o.",
            "wpconvert.backends.c",
        ),
    )
}
"""By name."""


def backend_named(name: str) -> Backend:
    """The back end of that name; UsageError naming the known ones."""
    backend = BACKENDS.get(name)
    if backend is None:
        raise UsageError(f"unknown back end {name!r}, expected one of {', '.join(BACKENDS)}")
    return backend
