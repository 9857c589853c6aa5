"""The file formats: one row each. A format is a folder with a `sniff` that needs no library, and a `source`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from wpconvert.errors import UnsupportedError
from wpconvert.formats.onnx.sniff import claims as claims_onnx
from wpconvert.formats.tflite.sniff import claims as claims_tflite

if TYPE_CHECKING:
    from wpconvert.formats.protocol import Source

_HEAD_NBYTES = 8


@dataclass(frozen=True)
class Format:
    """A file format.

    claims: whether a file with these first bytes is one, where its suffix does not say. lowers_to: suffixes of formats
    that its models can become. named: whether its files must have its suffix. outside: whether a model may have data in
    other files. refuses: options of a conversion that are not for it; refusal: why. for_devices: whether options of
    methods that are about devices are for it. package: where its parts are.
    """

    name: str
    suffix: str
    claims: Callable[[bytes], bool]
    package: str
    lowers_to: tuple[str, ...] = ()
    named: bool = False
    refuses: tuple[str, ...] = ()
    refusal: str = ""
    for_devices: bool = True
    outside: bool = False

    def read(self, path: Path) -> Source:
        """Read a model; FileError, ModelError and UnsupportedError name the path."""
        source: Source = import_module(f"{self.package}.source").read_source(path)
        return source

    def other_files(self, path: Path) -> Sequence[Path]:
        """Files next to a model that it needs; raises what `read` raises."""
        return self.read(path).files if self.outside else ()


FORMATS = (
    Format(
        "onnx",
        ".onnx",
        claims_onnx,
        "wpconvert.formats.onnx",
        (".tflite",),
        named=True,
        outside=True,
        refuses=(
            "--optimize",
            "--target",
            "--runtime",
            "--max-slowdown",
            "--flash",
            "--ram",
            "--measure",
            "--strip",
            "--no-memory-plan",
        ),
        refusal="is only for .tflite models",
        for_devices=False,
    ),
    Format("tflite", ".tflite", claims_tflite, "wpconvert.formats.tflite"),
)
"""The last one is what a file is taken for that no other claims."""


def format_of(path: Path) -> Format:
    """The format of a file: by its suffix, else by its first bytes."""
    by_suffix = {one.suffix: one for one in FORMATS}
    found = by_suffix.get(path.suffix.lower())
    if found is not None:
        return found
    return _claiming(_head(path))


def suffix_of(data: bytes) -> str:
    """The suffix for the file of a model that is in memory."""
    return _claiming(data[:_HEAD_NBYTES]).suffix


def _claiming(head: bytes) -> Format:
    return next((one for one in FORMATS if one.claims(head)), FORMATS[-1])


def _head(path: Path) -> bytes:
    # A pipe gives its bytes only once.
    if not path.is_file():
        return b""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_NBYTES)
    except OSError:
        return b""


def parse(data: bytes, name: str) -> Source:
    """Read a model that is in memory; reports call it by the name. ModelError, UnsupportedError."""
    own = _claiming(data[:_HEAD_NBYTES])
    if own.outside:
        raise UnsupportedError(f"{name}: an {own.suffix} model has to be in a file, for it may have data in others")
    source: Source = import_module(f"{own.package}.source").source_of(data, name)
    return source


def read(path: Path) -> Source:
    """Read a model of any format; FileError, ModelError and UnsupportedError name the path."""
    return format_of(path).read(path)
