"""MNIST and Fashion-MNIST are read as published and as torchvision leaves them; malformed files get one clear line."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from wpconvert.errors import FileError
from wptrain.data.readers.idx import read_idx
from wptrain.errors import DataError

from .makers import idx, in_memory, refused, same, sizes, write_tree

TRAIN, TEST = 100, 20


def labelled(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8), np.arange(
        count, dtype=np.uint8
    ) % 10


def files() -> dict[str, bytes]:
    content: dict[str, bytes] = {}
    for seed, (part, count) in enumerate((("train", TRAIN), ("t10k", TEST))):
        images, labels = labelled(count, seed)
        content |= {f"{part}-images-idx3-ubyte": idx(images), f"{part}-labels-idx1-ubyte": idx(labels)}
    return content


def test_plain_and_compressed_files_in_every_known_place_are_alike(tmp_path: Path) -> None:
    plain = in_memory(f"mnist:{write_tree(tmp_path / 'plain', files())}")
    assert sizes(plain) == [90, 10, TEST]
    assert plain.sample_shape == (28, 28, 1)
    images, labels = labelled(TEST, 1)
    assert np.array_equal(plain.test.images[..., 0], images)
    assert np.array_equal(plain.test.labels, labels)
    packed = {f"MNIST/raw/{name}.gz": gzip.compress(content) for name, content in files().items()}
    dotted = {name.replace("-idx", ".idx"): content for name, content in files().items()}
    for number, layout in enumerate((packed, dotted)):
        assert same(plain, in_memory(f"mnist:{write_tree(tmp_path / str(number), layout)}"))


def test_fashion_has_its_classes_and_is_mirrored(tmp_path: Path) -> None:
    folder = write_tree(tmp_path, files())
    fashion, digits = in_memory(f"fashion-mnist:{folder}"), in_memory(f"mnist:{folder}")
    assert fashion.classes[9] == "Ankle boot"
    assert (fashion.augmentation.mirror, digits.augmentation.mirror) == (True, False)
    assert fashion.identity() != digits.identity()


def test_both_downloads_of_torchvision_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    others = {name: content[:-1] + b"\x07" for name, content in files().items()}
    for place, content in (("MNIST", files()), ("FashionMNIST", others)):
        write_tree(tmp_path / place / "raw", content)
    assert same(in_memory(f"mnist:{tmp_path}"), in_memory(f"mnist:{tmp_path / 'MNIST'}"))
    fashion = in_memory(f"fashion-mnist:{tmp_path}")
    assert same(fashion, in_memory(f"fashion-mnist:{tmp_path / 'FashionMNIST'}"))
    assert fashion.test.labels[-1] == 7


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, b"", "starts with nothing, expected 00 00 08 03"),
        (IMAGES, b"\x00\x00\x08\x01\x00\x00\x00\x64", "starts with 00 00 08 01, expected 00 00 08 03"),
        (IMAGES, idx(labelled(TRAIN, 0)[0])[:-1], "78399 bytes follow the header, expected 78400"),
        (IMAGES, idx(labelled(TRAIN, 0)[0]) + b"\x00", "more bytes follow the header"),
        (
            IMAGES,
            struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 28, 28),
            "its header promises 3367254359280 bytes, expected at most 268435456",
        ),
        (IMAGES, idx(np.zeros((TRAIN, 8, 8), np.uint8)), "images of 8 x 8 pixels, expected 28 x 28"),
        (IMAGES, gzip.compress(idx(labelled(TRAIN, 0)[0]))[:-20], "damaged gzip file"),
        (IMAGES, b"\x1f\x8bnothing", "damaged gzip file"),
        (LABELS, idx(np.zeros(3, np.uint8)), "3 labels for the 100 images of train-images-idx3-ubyte"),
        (LABELS, idx(np.full(TRAIN, 10, np.uint8)), "label 0 is 10, expected 0 to 9"),
    ],
)
def test_malformed_file_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    found = refused(f"mnist:{write_tree(tmp_path, files() | {name: content})}")
    assert message in found
    assert name in found


def test_missing_file_and_missing_folder_are_told_apart(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "some", files())
    (folder / "t10k-labels-idx1-ubyte").unlink()
    assert "found no t10k-labels-idx1-ubyte" in refused(f"mnist:{folder}")
    assert "no such folder" in refused(f"mnist:{tmp_path / 'absent'}", FileError)


@given(
    arrays(np.uint8, st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple)), st.integers(0, 200), st.booleans()
)
def test_an_idx_file_is_read_whole_or_refused(
    tmp_path_factory: pytest.TempPathFactory, array: NDArray[np.uint8], cut: int, packed: bool
) -> None:
    content = idx(array)
    kept = content[: max(0, len(content) - cut)]
    path = tmp_path_factory.mktemp("idx") / "array"
    path.write_bytes(gzip.compress(kept) if packed else kept)
    if kept == content:
        assert np.array_equal(read_idx(path, array.ndim), array)
    else:
        with pytest.raises(DataError):
            read_idx(path, array.ndim)
