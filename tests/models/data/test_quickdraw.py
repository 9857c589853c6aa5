"""Quick, Draw! bitmaps are read a class from a file; a malformed file gets one clear line."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from wpconvert.errors import FileError
from wptrain.data.sets import quickdraw

from .makers import in_memory, parts, refused


def write_drawings(folder: Path, counts: dict[str, int]) -> Path:
    folder.mkdir(exist_ok=True)
    for value, (name, count) in enumerate(counts.items()):
        np.save(folder / f"{name}.npy", np.full((count, 784), value, np.uint8))
    return folder


def test_quickdraw_reads_one_file_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quickdraw, "PER_CLASS", 60)
    folder = write_drawings(tmp_path, {"full_numpy_bitmap_cat": 40, "ant": 100})
    dataset = in_memory(f"quickdraw:{folder}")
    assert dataset.classes == ("ant", "cat")
    assert dataset.sample_shape == (28, 28, 1)
    assert [len(part) for part in parts(dataset)] == [81, 9, 10]
    for part in parts(dataset):
        # "cat" was written first, so its pixels are 0 and its label is 1.
        assert np.array_equal(part.images[:, 0, 0, 0], 1 - part.labels)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x93NUMPY", "not a NumPy file"),
        (pickle.dumps("text"), "not a NumPy file"),
        (np.zeros((3, 784)), "float64 [3, 784], expected uint8 [n, 784]"),
        (np.zeros((3, 28, 28), np.uint8), "uint8 [3, 28, 28], expected uint8 [n, 784]"),
        (np.array([None]), "not a NumPy file"),
    ],
)
def test_malformed_drawings_are_refused(tmp_path: Path, content: bytes | NDArray[np.uint8], message: str) -> None:
    folder = write_drawings(tmp_path, {"cat": 20, "ant": 20})
    if isinstance(content, bytes):
        (folder / "ant.npy").write_bytes(content)
    else:
        np.save(folder / "ant.npy", content)
    found = refused(f"quickdraw:{folder}")
    assert message in found
    assert "ant.npy" in found


def test_folder_without_drawings_is_refused(tmp_path: Path) -> None:
    assert "0 CLASS.npy files" in refused(f"quickdraw:{tmp_path}")
    assert "no such folder" in refused(f"quickdraw:{tmp_path / 'absent'}", FileError)
