"""Image files in one folder per class, below `train` and `test`; also inside a tar or zip archive."""

from __future__ import annotations

import io
import lzma
import tarfile
import warnings
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wpconvert.errors import FileError
from wptrain.errors import DataError

from . import splits
from .dataset import Dataset, Split

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png"})
# The decoders that are allowed to look at a file.
FORMATS = ("BMP", "JPEG", "PNG")
PARTS = ("train", "test")
LARGEST_FILE = 1 << 24
LARGEST_SIDE = 1024
_LAYOUT = "expected train/CLASS/IMAGE and test/CLASS/IMAGE"


@dataclass(frozen=True)
class _File:
    """One image file; `where` names it in messages."""

    part: str
    label: str
    name: str
    where: str
    content: bytes


def load(path: Path) -> Dataset:
    """All images below `train`, one in ten of them held out for validation, and those below `test`.

    `path` is a folder, or a tar (also compressed) or zip archive of one, which is not unpacked. Classes, and the images
    of a class, are in the order of their names. All images must have one size; they are grey when the first one is,
    else RGB. Raises FileError when `path` cannot be read, DataError for a malformed archive or image.
    """
    if not path.exists():
        raise FileError(f"{path}: no such folder or archive; {_LAYOUT}")
    arrays: dict[str, dict[str, list[tuple[str, NDArray[np.uint8]]]]] = {part: defaultdict(list) for part in PARTS}
    decoder = _Decoder()
    for file in _files(path):
        arrays[file.part][file.label].append((file.name, decoder.decode(file)))
    classes = tuple(sorted(arrays["train"]))
    if not classes:
        raise DataError(f"{path}: no images found; {_LAYOUT}")
    strange = sorted(set(arrays["test"]) - set(classes))
    if strange or not arrays["test"]:
        problem = (
            f"test has classes that are missing in train: {', '.join(strange)}" if strange else "no test images found"
        )
        raise DataError(f"{path}: {problem}; {_LAYOUT}")
    train, test = (_joined(arrays[part], classes) for part in PARTS)
    kept, held = splits.hold_out(train.labels, f"{path}: train")
    return Dataset(
        name=path.name,
        origin="images in folders, one folder a class",
        licence="that of the images",
        split_rule=f"train and test as in the folders; validation: {splits.RULE} of the training images",
        classes=classes,
        train=Split(train.images[kept], train.labels[kept]),
        validation=Split(train.images[held], train.labels[held]),
        test=test,
        # Photographs, as a rule: an eighth of the height. Whether a mirror image keeps its class nobody knows.
        shift=train.images.shape[1] // 8,
        flip=False,
    )


def _joined(arrays: dict[str, list[tuple[str, NDArray[np.uint8]]]], classes: tuple[str, ...]) -> Split:
    images = [image for label in classes for _, image in sorted(arrays[label], key=lambda entry: entry[0])]
    labels = [np.full(len(arrays[label]), index, np.int64) for index, label in enumerate(classes)]
    return Split(np.stack(images), np.concatenate(labels))


class _Decoder:
    """Decodes images to what the first one was: its size, grey or RGB."""

    def __init__(self) -> None:
        self._mode = ""
        self._size = (0, 0)

    def decode(self, file: _File) -> NDArray[np.uint8]:
        """uint8 [height, width, channels]; DataError when it is no image, or has another size."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(io.BytesIO(file.content), formats=FORMATS)
            self._check(image.size, image.mode, file.where)
            pixels = np.asarray(image.convert(self._mode))
        except DataError:
            raise
        except UnidentifiedImageError as error:
            raise DataError(f"{file.where}: not a {', '.join(FORMATS)} image") from error
        except Exception as error:
            # A malformed image can end in almost any exception of its decoder.
            raise DataError(f"{file.where}: cannot be decoded: {error}") from error
        return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels

    def _check(self, size: tuple[int, int], mode: str, where: str) -> None:
        """Sizes come before decoding: a header may promise gigabytes."""
        if not self._mode:
            if max(size) > LARGEST_SIDE:
                raise DataError(f"{where}: {size[0]} x {size[1]} pixels, expected at most {LARGEST_SIDE} per side")
            self._mode, self._size = ("L" if mode in {"1", "L"} else "RGB"), size
        elif size != self._size:
            raise DataError(
                f"{where}: {size[0]} x {size[1]} pixels, the first image has {self._size[0]} x {self._size[1]}; "
                "scale all images to one size"
            )


def _files(path: Path) -> Iterator[_File]:
    try:
        if path.is_dir():
            yield from _in_folder(path)
        elif zipfile.is_zipfile(path):
            yield from _in_zip(path)
        else:
            yield from _in_tar(path)
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError(f"{path}: neither a folder nor a valid tar or zip archive: {error}") from error


def _place(name: str) -> tuple[str, str, str] | None:
    """Part, class and file name of `…/train/CLASS/IMAGE`; None for any other file."""
    parts = PurePosixPath(name).parts
    if len(parts) < 3 or parts[-3] not in PARTS or PurePosixPath(name).suffix.lower() not in SUFFIXES:
        return None
    return parts[-3], parts[-2], parts[-1]


def _checked(size: int, where: str) -> None:
    if size > LARGEST_FILE:
        raise DataError(f"{where}: {size} bytes, expected an image of at most {LARGEST_FILE}")


def _in_folder(path: Path) -> Iterator[_File]:
    for part in PARTS:
        for file in sorted((path / part).glob("*/*")):
            if (place := _place(file.as_posix())) is not None and file.is_file():
                _checked(file.stat().st_size, str(file))
                yield _File(*place, str(file), file.read_bytes())


def _in_zip(path: Path) -> Iterator[_File]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if (place := _place(member.filename)) is not None:
                where = f"{path}: {member.filename}"
                _checked(member.file_size, where)
                if member.flag_bits & 1:
                    raise DataError(f"{where}: encrypted; unpack the archive first")
                yield _File(*place, where, archive.read(member))


def _in_tar(path: Path) -> Iterator[_File]:
    # A stream, because going back in a compressed archive means unpacking it again.
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if member.isfile() and (place := _place(member.name)) is not None:
                where = f"{path}: {member.name}"
                _checked(member.size, where)
                content = archive.extractfile(member)
                assert content is not None
                yield _File(*place, where, content.read())
