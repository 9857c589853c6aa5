"""Image files below PART/CLASS in a folder, or in a tar or zip archive, which is not unpacked."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wptrain.errors import DataError

from .pictures import LARGEST_FILE, SUFFIXES


@dataclass(frozen=True)
class File:
    """One image file; `where` names it in messages."""

    part: str
    label: str
    name: str
    where: str
    content: bytes


def files(path: Path, parts: Collection[str]) -> Iterator[File]:
    """All image files below a name in `parts`; of a folder in their order.

    Raises DataError for a malformed archive or a file that is too large, OSError when one cannot be read.
    """
    try:
        if path.is_dir():
            yield from _in_folder(path, parts)
        elif zipfile.is_zipfile(path):
            yield from _in_zip(path, parts)
        else:
            yield from _in_tar(path, parts)
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError(f"{path}: neither a folder nor a valid tar or zip archive: {error}") from error


def _place(name: str, wanted: Collection[str]) -> tuple[str, str, str] | None:
    """Part, class and file name of `…/train/CLASS/IMAGE`; None for any other file."""
    parts = PurePosixPath(name).parts
    if len(parts) < 3 or parts[-3] not in wanted or PurePosixPath(name).suffix.lower() not in SUFFIXES:
        return None
    return parts[-3], parts[-2], parts[-1]


def _checked(size: int, where: str) -> None:
    if size > LARGEST_FILE:
        raise DataError(f"{where}: {size} bytes, expected an image of at most {LARGEST_FILE}")


def _in_folder(path: Path, parts: Collection[str]) -> Iterator[File]:
    for part in parts:
        for file in sorted((path / part).glob("*/*")):
            if (place := _place(file.as_posix(), parts)) is not None and file.is_file():
                _checked(file.stat().st_size, str(file))
                yield File(*place, str(file), file.read_bytes())


def _in_zip(path: Path, parts: Collection[str]) -> Iterator[File]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if (place := _place(member.filename, parts)) is not None:
                where = f"{path}: {member.filename}"
                _checked(member.file_size, where)
                if member.flag_bits & 1:
                    raise DataError(f"{where}: encrypted; unpack the archive first")
                yield File(*place, where, archive.read(member))


def _in_tar(path: Path, parts: Collection[str]) -> Iterator[File]:
    # A stream, because going back in a compressed archive means unpacking it again.
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if member.isfile() and (place := _place(member.name, parts)) is not None:
                where = f"{path}: {member.name}"
                _checked(member.size, where)
                content = archive.extractfile(member)
                if content is None:
                    raise DataError(f"{where}: not a file with content")
                yield File(*place, where, content.read())
