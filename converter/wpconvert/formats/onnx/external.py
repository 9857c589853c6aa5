"""External data: where a tensor's bytes are outside the model file. None of what a model says of it is trusted."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from onnx import TensorProto

from wpconvert.errors import FileError, ModelError
from wpconvert.formats.onnx.data import Span

_KEYS = ("location", "offset", "length")


class ExternalFiles:
    """The data files of one model: paths are resolved and checksums computed once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: dict[str, tuple[Path, int]] = {}
        self._checksums: dict[Path, str] = {}

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that were asked for so far."""
        return tuple(dict.fromkeys(path for path, _ in self._paths.values()))

    def span(self, tensor: TensorProto, nbytes: int) -> Span:
        """The `nbytes` bytes of an external tensor.

        ModelError for a path outside the model's folder, for an offset or length that the file or the tensor
        contradicts and for a wrong checksum; FileError where the file cannot be read.
        """
        entries = {entry.key: entry.value for entry in tensor.external_data}
        name = tensor.name
        if len(entries) != len(tensor.external_data):
            raise ModelError(f"tensor {name!r}: duplicate key in its external data")
        if not entries.get("location"):
            raise ModelError(f"tensor {name!r}: its external data has no location")
        path, size = self._resolve(name, entries["location"])
        offset = _number(name, "offset", entries.get("offset", "0"))
        length = _number(name, "length", entries.get("length", str(nbytes)))
        if length != nbytes:
            raise ModelError(
                f"tensor {name!r}: its external data has {length:,} bytes, its shape and type need {nbytes:,}"
            )
        if offset + nbytes > size:
            raise ModelError(
                f"tensor {name!r}: {entries['location']} has {size:,} bytes, the tensor needs those from {offset:,} to "
                f"{offset + nbytes:,}; the file is truncated or belongs to another model"
            )
        if "checksum" in entries:
            self._check(name, entries["location"], path, entries["checksum"])
        return Span(path, offset, nbytes)

    def _resolve(self, name: str, location: str) -> tuple[Path, int]:
        if location not in self._paths:
            self._paths[location] = _checked(self._folder, name, location)
        return self._paths[location]

    def _check(self, name: str, location: str, path: Path, checksum: str) -> None:
        if path not in self._checksums:
            with path.open("rb") as file:
                # The format says SHA-1: it is against accidents.
                self._checksums[path] = hashlib.file_digest(file, "sha1").hexdigest()
        if self._checksums[path] != checksum.lower():
            raise ModelError(
                f"tensor {name!r}: the checksum of {location} does not match the model; get the file again"
            )


def _number(name: str, key: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise ModelError(f"tensor {name!r}: the {key} of its external data is {value[:40]!r}, expected a number")
    return int(value)


def _checked(folder: Path, name: str, location: str) -> tuple[Path, int]:
    """The path, without links, and size of a data file; it has to be a regular file in the model's folder, or below."""
    windows = PureWindowsPath(location)
    parts = {*PurePosixPath(location).parts, *windows.parts}
    if "\0" in location or location.startswith("/") or windows.drive or windows.root or ".." in parts:
        raise ModelError(
            f"tensor {name!r}: its data is at {location!r}, outside the model's folder; "
            "only files in that folder are read"
        )
    path = folder / location
    try:
        # Links may give one file several names.
        resolved = path.resolve()
        if not resolved.is_relative_to(folder.resolve()):
            raise ModelError(
                f"tensor {name!r}: its data at {location!r} is a link to a file outside the model's folder; "
                "put the file itself there"
            )
        if not path.is_file():
            problem = "is not a regular file" if path.exists() else "is missing"
            raise FileError(f"{path}: cannot be read: the data file of tensor {name!r} {problem}")
        return resolved, resolved.stat().st_size
    except (OSError, RuntimeError, ValueError) as error:
        raise FileError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def locate(tensor: TensorProto, location: str, offset: int, nbytes: int) -> None:
    """Say in the tensor where its data is; other keys than those of place and checksum stay."""
    kept = [entry for entry in tensor.external_data if entry.key not in (*_KEYS, "checksum")]
    del tensor.external_data[:]
    for key, value in zip(_KEYS, (location, str(offset), str(nbytes)), strict=True):
        tensor.external_data.add(key=key, value=value)
    tensor.external_data.extend(kept)
    tensor.data_location = TensorProto.EXTERNAL
