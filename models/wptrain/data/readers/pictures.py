"""Decoding of image files that nobody has checked."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wptrain.errors import DataError

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png"})
# The decoders that are allowed to look at a file.
FORMATS = ("BMP", "JPEG", "PNG")
LARGEST_FILE = 1 << 24


def opened(content: bytes, where: str) -> Image.Image:
    """An image of which only the header is decoded. Raises DataError when `content` is none."""
    if len(content) > LARGEST_FILE:
        raise DataError(f"{where}: {len(content)} bytes, expected an image of at most {LARGEST_FILE}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise DataError(f"{where}: not a {', '.join(FORMATS)} image; replace or delete it") from error
    except Exception as error:
        raise cannot(where, error) from error


def is_grey(image: Image.Image) -> bool:
    """Whether it has one channel without colours."""
    return image.mode in {"1", "L"}


def cannot(where: str, error: Exception) -> DataError:
    """The error of a malformed image: it can end in almost any exception of its decoder."""
    return DataError(f"{where}: cannot be decoded: {error}; replace or delete it")


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    """uint8 [height, width, channels]."""
    array = np.asarray(image)
    return array[..., np.newaxis] if array.ndim == 2 else array
