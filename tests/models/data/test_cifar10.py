"""CIFAR-10 is read in both versions that its authors publish; malformed or hostile batches get one clear line."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from wpconvert.errors import FileError
from wptrain.data.sets import cifar10

from .makers import in_memory, parts, refused, same

BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
PER_BATCH = 40


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


@pytest.mark.parametrize("encode", [pickled_by_python_2, pickled_by_python_3])
def test_both_versions_of_cifar10_give_the_same_dataset(tmp_path: Path, encode: Encoder) -> None:
    python = in_memory(f"cifar10:{write_cifar(tmp_path / 'py', encode)}")
    binary = in_memory(f"cifar10:{write_cifar(tmp_path / 'bin', as_records, '.bin')}")
    assert same(python, binary)
    assert [len(part) for part in parts(python)] == [180, 20, 40]
    pixels, labels = rows(5)
    assert python.test.labels.tolist() == labels
    assert python.test.images[3, 7, 9].tolist() == pixels[3].reshape(3, 32, 32)[:, 7, 9].tolist()


def test_cifar10_is_found_below_the_folder_that_its_archive_unpacks_into(tmp_path: Path) -> None:
    write_cifar(tmp_path / "cifar-10-batches-py", pickled_by_python_2)
    assert in_memory(f"cifar10:{tmp_path}").classes == cifar10.CLASSES


def test_validation_images_are_stratified_disjoint_and_always_the_same(tmp_path: Path) -> None:
    choice = f"cifar10:{write_cifar(tmp_path / 'bin', as_records, '.bin')}"
    first = in_memory(choice)
    assert same(first, in_memory(choice))
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
