"""Images in folders and archives are read alike; a malformed one gets one clear line."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from wpconvert.errors import FileError

from .makers import in_memory, parts, png, refused, same, write_tree

TAR_MODES: dict[str, Literal["w:", "w:gz", "w:xz"]] = {".tar": "w:", ".gz": "w:gz", ".xz": "w:xz"}


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


def test_images_are_read_from_folders_and_archives_alike(tmp_path: Path) -> None:
    files = image_files()
    folder = in_memory(f"images:{write_tree(tmp_path / 'tree', files)}")
    assert folder.classes == ("cat", "dog")
    assert folder.sample_shape == (6, 5, 3)
    assert [len(part) for part in parts(folder)] == [36, 4, 6]
    assert folder.test.images[:, 0, 0, 0].tolist() == [0, 1, 2] * 2
    assert folder.test.images[:, 1, 1, 1].tolist() == [100] * 3 + [200] * 3
    # Neither the order in an archive nor a folder around the two parts matters.
    inside = {f"set/{name}": content for name, content in reversed(files.items())}
    inside["set/README.txt"] = b"no image"
    for path in (tmp_path / "set.tar", tmp_path / "set.tar.xz", tmp_path / "set.tar.gz"):
        assert same(folder, in_memory(f"images:{write_tar(path, inside)}"))
    assert same(folder, in_memory(f"images:{write_zip(tmp_path / 'set.zip', inside)}"))


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    dataset = in_memory(f"images:{write_tree(tmp_path, image_files((6, 5)))}")
    assert dataset.sample_shape == (6, 5, 1)


def test_archive_cannot_write_anywhere(tmp_path: Path) -> None:
    archive = write_tar(
        tmp_path / "set.tar", image_files() | {"../../train/cat/x.png": png(np.zeros((6, 5, 3), np.uint8))}
    )
    before = sorted(tmp_path.rglob("*"))
    in_memory(f"images:{archive}")
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
