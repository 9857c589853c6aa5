"""Loaders read every layout that is published, and answer malformed or hostile files with one clear line."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wpconvert.errors import FileError, UsageError, WpconvertError
from wptrain import data
from wptrain.data import cifar10, quickdraw
from wptrain.data.dataset import Dataset
from wptrain.errors import DataError

BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
PER_BATCH = 40
TAR_MODES: dict[str, Literal["w:", "w:gz", "w:xz"]] = {".tar": "w:", ".gz": "w:gz", ".xz": "w:xz"}


def rows(seed: int) -> tuple[NDArray[np.uint8], list[int]]:
    """One batch as CIFAR-10 stores it: colour planes, and labels that cover all classes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (PER_BATCH, 3072), np.uint8)
    return pixels, [index % 10 for index in range(PER_BATCH)]


def pickled_by_python_2(pixels: NDArray[np.uint8], labels: list[int]) -> bytes:
    """The opcodes of the official batches, which Python 2 wrote with protocol 2."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    numbers = b"".join(b"K" + bytes([label]) for label in labels)
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R(K\x01"
        b"M" + struct.pack("<H", len(pixels)) + b"M" + struct.pack("<H", pixels.shape[1]) + b"\x86"
        b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<i", pixels.nbytes) + pixels.tobytes() + b"tb"
    )
    return b"\x80\x02}(" + text(b"labels") + b"](" + numbers + b"e" + text(b"data") + array + b"u."


def pickled_by_python_3(pixels: NDArray[np.uint8], labels: list[int]) -> bytes:
    return pickle.dumps({b"data": pixels, b"labels": labels}, protocol=2)


def as_records(pixels: NDArray[np.uint8], labels: list[int]) -> bytes:
    return np.column_stack([np.array(labels, np.uint8), pixels]).tobytes()


Encoder = Callable[[NDArray[np.uint8], list[int]], bytes]


def write_cifar(folder: Path, encode: Encoder, suffix: str = "") -> Path:
    folder.mkdir()
    for seed, name in enumerate(BATCHES):
        (folder / f"{name}{suffix}").write_bytes(encode(*rows(seed)))
    return folder


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def image_files(shape: tuple[int, ...] = (6, 5, 3)) -> dict[str, bytes]:
    """Path to PNG, two classes; the first pixel counts the images of a class."""
    files = {}
    for part, count in (("train", 20), ("test", 3)):
        for value, label in ((100, "cat"), (200, "dog")):
            for index in range(count):
                pixels = np.full(shape, value, np.uint8)
                pixels[0, 0] = index
                files[f"{part}/{label}/{index:03}.png"] = png(pixels)
    return files


def write_tree(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, TAR_MODES[path.suffix]) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def same(first: Dataset, second: Dataset) -> bool:
    return first.classes == second.classes and all(
        np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)
        for a, b in zip(parts(first), parts(second), strict=True)
    )


def parts(dataset: Dataset) -> tuple[data.dataset.Split, ...]:
    return dataset.train, dataset.validation, dataset.test


def refused(choice: str, error: type[WpconvertError] = DataError) -> str:
    with pytest.raises(error) as caught:
        data.load(choice)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("encode", [pickled_by_python_2, pickled_by_python_3])
def test_both_versions_of_cifar10_give_the_same_dataset(tmp_path: Path, encode: Encoder) -> None:
    python = data.load(f"cifar10:{write_cifar(tmp_path / 'py', encode)}")
    binary = data.load(f"cifar10:{write_cifar(tmp_path / 'bin', as_records, '.bin')}")
    assert same(python, binary)
    assert [len(part) for part in parts(python)] == [180, 20, 40]
    pixels, labels = rows(5)
    assert python.test.labels.tolist() == labels
    assert python.test.images[3, 7, 9].tolist() == pixels[3].reshape(3, 32, 32)[:, 7, 9].tolist()


def test_cifar10_is_found_below_the_folder_that_its_archive_unpacks_into(tmp_path: Path) -> None:
    write_cifar(tmp_path / "cifar-10-batches-py", pickled_by_python_2)
    assert data.load(f"cifar10:{tmp_path}").classes == cifar10.CLASSES


def test_validation_images_are_stratified_disjoint_and_always_the_same(tmp_path: Path) -> None:
    choice = f"cifar10:{write_cifar(tmp_path / 'bin', as_records, '.bin')}"
    first = data.load(choice)
    assert same(first, data.load(choice))
    assert np.bincount(first.validation.labels).tolist() == [2] * 10
    seen = np.concatenate([part.images.reshape(len(part), -1) for part in parts(first)])
    assert len(np.unique(seen, axis=0)) == 240


class Calls:
    """Pickles into a call of `function`."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("function", [os.mkdir, eval, getattr, np.load])
def test_pickle_that_runs_code_is_refused_before_it_runs(tmp_path: Path, function: Callable[..., object]) -> None:
    folder = write_cifar(tmp_path / "py", pickled_by_python_2)
    victim = tmp_path / "made"
    argument = f"__import__('os').mkdir({str(victim)!r})" if function is eval else str(victim)
    (folder / "data_batch_3").write_bytes(pickle.dumps({b"data": Calls(function, argument)}))
    assert "data_batch_3" in refused(f"cifar10:{folder}")
    assert not victim.exists()


def shifted_shape(pixels: NDArray[np.uint8], labels: list[int]) -> bytes:
    """An array that claims more rows than it has bytes."""
    content = pickled_by_python_2(pixels, labels)
    return content.replace(b"M" + struct.pack("<H", PER_BATCH), b"M" + struct.pack("<H", PER_BATCH + 1), 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not accepted as a pickle"),
        (b"\x80\x02}(U\x04data", "not accepted as a pickle"),
        (pickle.dumps([1, 2]), "expected a dictionary"),
        (pickle.dumps({b"data": b"abc", b"labels": []}), "expected an array"),
        (pickled_by_python_3(rows(0)[0], [10] * PER_BATCH), "numbers from 0 to 9"),
        (pickled_by_python_3(rows(0)[0], [0]), "shape (40, 3072), expected (1, 3072)"),
        (shifted_shape(*rows(0)), "do not match the shape"),
        (pickle.dumps({b"data": np.zeros((1, 3072)), b"labels": [0]}, 2), "array of uint8"),
        (pickle.dumps({b"data": np.array([[None]], object), b"labels": [0]}, 2), "array of uint8"),
    ],
)
def test_malformed_pickle_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    folder = write_cifar(tmp_path / "py", pickled_by_python_2)
    (folder / "data_batch_1").write_bytes(content)
    assert message in refused(f"cifar10:{folder}")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "0 bytes"), (bytes(3072), "expected records of 3073"), (b"\x0a" + bytes(3072), "record 0: label 10")],
)
def test_malformed_binary_batch_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    folder = write_cifar(tmp_path / "bin", as_records, ".bin")
    (folder / "data_batch_2.bin").write_bytes(content)
    found = refused(f"cifar10:{folder}")
    assert message in found
    assert "data_batch_2.bin" in found


def test_missing_batch_and_missing_folder_are_told_apart(tmp_path: Path) -> None:
    folder = write_cifar(tmp_path / "py", pickled_by_python_2)
    (folder / "test_batch").unlink()
    assert "test_batch: missing" in refused(f"cifar10:{folder}")
    assert "no such folder" in refused(f"cifar10:{tmp_path / 'absent'}", FileError)
    assert "neither data_batch_1" in refused(f"cifar10:{tmp_path}")


def test_images_are_read_from_folders_and_archives_alike(tmp_path: Path) -> None:
    files = image_files()
    folder = data.load(f"images:{write_tree(tmp_path / 'tree', files)}")
    assert folder.classes == ("cat", "dog")
    assert folder.image_shape == (6, 5, 3)
    assert [len(part) for part in parts(folder)] == [36, 4, 6]
    assert folder.test.images[:, 0, 0, 0].tolist() == [0, 1, 2] * 2
    assert folder.test.images[:, 1, 1, 1].tolist() == [100] * 3 + [200] * 3
    # Neither the order in an archive nor a folder around the two parts matters.
    inside = {f"set/{name}": content for name, content in reversed(files.items())}
    inside["set/README.txt"] = b"no image"
    for path in (tmp_path / "set.tar", tmp_path / "set.tar.xz", tmp_path / "set.tar.gz"):
        assert same(folder, data.load(f"images:{write_tar(path, inside)}"))
    assert same(folder, data.load(f"images:{write_zip(tmp_path / 'set.zip', inside)}"))


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    dataset = data.load(f"images:{write_tree(tmp_path, image_files((6, 5)))}")
    assert dataset.image_shape == (6, 5, 1)


def test_archive_cannot_write_anywhere(tmp_path: Path) -> None:
    archive = write_tar(
        tmp_path / "set.tar", image_files() | {"../../train/cat/x.png": png(np.zeros((6, 5, 3), np.uint8))}
    )
    before = sorted(tmp_path.rglob("*"))
    data.load(f"images:{archive}")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train/cat/x.png", b"not an image", "train/cat/x.png: not a BMP, JPEG, PNG image"),
        (
            "train/cat/x.png",
            png(np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8))[:-60],
            "train/cat/x.png: cannot be decoded",
        ),
        ("train/dog/x.png", png(np.zeros((7, 5, 3), np.uint8)), "5 x 7 pixels, the first image has 5 x 6"),
        ("test/bird/x.png", png(np.zeros((6, 5, 3), np.uint8)), "test has classes that are missing in train: bird"),
        ("train/ant/x.png", png(np.zeros((2, 1025), np.uint8)), "1025 x 2 pixels, expected at most 1024"),
    ],
)
def test_malformed_image_folder_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    assert message in refused(f"images:{write_tree(tmp_path, image_files() | {name: content})}")


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.gz", ".zip"])
def test_cut_archive_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"set{suffix}"
    (write_zip if suffix == ".zip" else write_tar)(path, image_files())
    path.write_bytes(path.read_bytes()[:-200])
    assert "archive" in refused(f"images:{path}")


def test_folder_without_images_or_with_too_few_is_refused(tmp_path: Path) -> None:
    assert "no images found" in refused(f"images:{tmp_path}")
    few = {name: content for name, content in image_files().items() if "/00" in name}
    few = {
        name: content for name, content in few.items() if name.startswith("test") or name.endswith(("0.png", "1.png"))
    }
    assert "too few" in refused(f"images:{write_tree(tmp_path, few)}")
    assert "no such folder" in refused(f"images:{tmp_path / 'absent'}", FileError)


def write_drawings(folder: Path, counts: dict[str, int]) -> Path:
    folder.mkdir(exist_ok=True)
    for value, (name, count) in enumerate(counts.items()):
        np.save(folder / f"{name}.npy", np.full((count, 784), value, np.uint8))
    return folder


def test_quickdraw_reads_one_file_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quickdraw, "PER_CLASS", 60)
    folder = write_drawings(tmp_path, {"full_numpy_bitmap_cat": 40, "ant": 100})
    dataset = data.load(f"quickdraw:{folder}")
    assert dataset.classes == ("ant", "cat")
    assert dataset.image_shape == (28, 28, 1)
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


@pytest.mark.parametrize("choice", ["mnist", "digits:here", "cifar10", "cifar10:", "", ":x"])
def test_unknown_dataset_names_the_known_ones(choice: str) -> None:
    assert "digits, cifar10:PATH, images:PATH, quickdraw:PATH" in refused(choice, UsageError)
