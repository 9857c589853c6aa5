"""Small datasets in every layout that a loader reads, and what a loader says of a wrong one."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wpconvert.errors import WpconvertError
from wptrain import data
from wptrain.data.memory import Images, Split
from wptrain.data.module import SPLITS, DataModule
from wptrain.errors import DataError


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def idx(array: NDArray[np.uint8]) -> bytes:
    """The array as MNIST stores it."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def wav(samples: NDArray[np.int16], rate: int = 16000, channels: int = 1) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def write_tree(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def in_memory(choice: str) -> Images:
    loaded = data.load(choice)
    assert isinstance(loaded, Images)
    return loaded


def parts(dataset: Images) -> tuple[Split, ...]:
    return dataset.train, dataset.validation, dataset.test


def sizes(dataset: DataModule) -> list[int]:
    return [len(dataset.labels(split)) for split in SPLITS]


def same(first: Images, second: Images) -> bool:
    return first.classes == second.classes and all(
        np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)
        for a, b in zip(parts(first), parts(second), strict=True)
    )


def refused(choice: str, error: type[WpconvertError] = DataError, options: Mapping[str, object] | None = None) -> str:
    with pytest.raises(error) as caught:
        data.load(choice, options)
    message = str(caught.value)
    assert "\n" not in message
    return message
