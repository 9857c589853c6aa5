"""The idx format of MNIST: a header, then bytes; plain or compressed by gzip."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from wptrain.errors import DataError

# Five times the official training images.
LARGEST = 1 << 28
_UINT8 = 8
_GZIP = b"\x1f\x8b"


def read_idx(path: Path, rank: int) -> NDArray[np.uint8]:
    """The array of a file, uint8 with `rank` axes.

    Raises DataError for another type or rank, for more or fewer bytes than the header promises, or for more than
    LARGEST of them; OSError when the file cannot be read.
    """
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        try:
            with gzip.GzipFile(fileobj=raw) if packed else raw as file:
                return _read(file, path, rank)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise DataError(f"{path}: damaged gzip file: {error}; download it again") from error


def _read(file: IO[bytes] | gzip.GzipFile, path: Path, rank: int) -> NDArray[np.uint8]:
    size = 4 + 4 * rank
    header = file.read(size)
    magic = bytes([0, 0, _UINT8, rank])
    if len(header) < size or header[:4] != magic:
        raise DataError(
            f"{path}: starts with {header[:4].hex(' ') or 'nothing'}, expected {magic.hex(' ')} "
            f"(idx file of bytes with {rank} axes)"
        )
    shape = struct.unpack(f">{rank}I", header[4:])
    promised = 1
    for extent in shape:
        promised *= extent
    if promised > LARGEST:
        raise DataError(f"{path}: its header promises {promised} bytes, expected at most {LARGEST}")
    # One byte more, so that a file that goes on is noticed.
    content = file.read(promised + 1)
    if len(content) != promised:
        found = "more" if len(content) > promised else str(len(content))
        raise DataError(f"{path}: {found} bytes follow the header, expected {promised} for its shape {list(shape)}")
    return np.frombuffer(content, np.uint8).reshape(shape)
