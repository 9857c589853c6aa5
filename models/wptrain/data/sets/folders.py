"""Image folders of any number, read as training goes: the layout of ImageNet, images of all sizes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from wpconvert.errors import FileError
from wptrain.errors import DataError

from .. import splits
from ..crops import DRAWS, Box, central, random
from ..draws import Key, uniform
from ..module import Batch, Provenance, SplitName
from ..options import Options
from ..readers import digests, pictures

_LAYOUT = "expected train/CLASS/IMAGE, and val/CLASS/IMAGE or test/CLASS/IMAGE"
_SUFFIXES = tuple(sorted(pictures.SUFFIXES))
_WORKERS = min(8, os.cpu_count() or 1)


class FolderOptions(Options):
    """How images become samples of `side` x `side` pixels.

    Measured: the shorter side is scaled to `resize` (None: 8/7 of `side`, as 256 for 224), the middle is cut out.
    Trained: a random part of at least the share `area` of the image is scaled, and mirrored at random with `mirror`.
    `grey`: one channel instead of three.
    """

    side: int = Field(224, ge=8, le=1024)
    resize: int | None = Field(None, ge=8, le=2048)
    area: float = Field(0.08, gt=0, le=1)
    mirror: bool = False
    grey: bool = False


@dataclass(frozen=True)
class _Files:
    """The images of a split: paths below the dataset's folder, and labels."""

    names: tuple[str, ...]
    labels: NDArray[np.int64]

    def at(self, indices: NDArray[np.int64]) -> _Files:
        return _Files(tuple(self.names[index] for index in indices), self.labels[indices])


@dataclass(frozen=True)
class Folders:
    """A `DataModule` that keeps paths and labels in memory, and no image longer than its batch."""

    root: Path
    options: FolderOptions
    provenance: Provenance
    classes: tuple[str, ...]
    splits: dict[SplitName, _Files]

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        return self.options.side, self.options.side, 1 if self.options.grey else 3

    def labels(self, split: SplitName) -> NDArray[np.int64]:
        return self.splits[split].labels

    def batch(self, split: SplitName, indices: NDArray[np.int64], key: Key | None = None) -> Batch:
        files = self.splits[split].at(indices)
        samples = np.empty((len(indices), *self.sample_shape), np.float32)
        draws = None if key is None else uniform(key, indices, DRAWS + 1)

        def fill(index: int) -> None:
            samples[index] = self._decoded(self.root / files.names[index], None if draws is None else draws[index])

        with ThreadPoolExecutor(_WORKERS) as pool:
            # Taking the results raises what a thread has raised.
            list(pool.map(fill, range(len(indices))))
        return Batch(samples / np.float32(255), files.labels)

    def calibration(self, count: int) -> NDArray[np.float32]:
        order = np.random.default_rng(splits.SPLIT_SEED).permutation(len(self.splits["train"].names))
        return self.batch("train", order[:count]).samples

    def identity(self) -> str:
        digest = hashlib.sha256(repr((self.classes, self.options)).encode())
        for name, files in self.splits.items():
            digest.update(repr((name, digests.content(self.root, files.names))).encode())
            digest.update(files.labels.astype("<i8").tobytes())
        return digest.hexdigest()

    def _decoded(self, path: Path, draws: NDArray[np.float64] | None) -> NDArray[np.uint8]:
        """One sample: its middle, or what the random numbers of a training sample choose."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
        image = pictures.opened(content, str(path))
        side = self.options.side
        if draws is None:
            box: Box = central(image.size, side / (self.options.resize or side * 8 / 7))
        else:
            box = random(image.size, self.options.area, draws)
        try:
            scaled = image.convert("L" if self.options.grey else "RGB").resize(
                (side, side), Image.Resampling.BILINEAR, box
            )
        except Exception as error:
            raise pictures.cannot(str(path), error) from error
        array = pictures.pixels(scaled)
        return array[:, ::-1] if draws is not None and self.options.mirror and draws[-1] < 0.5 else array


def load(path: Path, options: FolderOptions) -> Folders:
    """The images below `train`, `val` (or `validation`) and `test`; only their names are read.

    Without `test`, `val` is the test split, as for ImageNet; then, and without `val`, one in ten of the training images
    is held out for validation. Classes, and the images of a class, are in the order of their names. Raises FileError
    when there is no such folder, DataError when it lacks images.
    """
    if not path.is_dir():
        raise FileError(f"{path}: no such folder; {_LAYOUT}")
    classes = _folders(path / "train")
    if not classes:
        raise DataError(f"{path}: no classes found below train; {_LAYOUT}")
    validation = next((name for name in ("val", "validation") if (path / name).is_dir()), None)
    test = "test" if (path / "test").is_dir() else None
    if validation is None and test is None:
        raise DataError(f"{path}: neither val nor test found; {_LAYOUT}")
    train = _listed(path, "train", classes)
    if validation is not None and test is not None:
        parts = {"train": train, "validation": _listed(path, validation, classes), "test": _listed(path, test, classes)}
        rule = f"train, {validation} and test as in the folders"
    else:
        measured = test or str(validation)
        kept, held = splits.hold_out(train.labels, f"{path}: train")
        parts = {"train": train.at(kept), "validation": train.at(held), "test": _listed(path, measured, classes)}
        rule = f"test: {measured} as in the folders; validation: {splits.RULE} of the training images"
    return Folders(
        path,
        options,
        Provenance(path.resolve().name, "images in folders, one folder a class", "that of the images", rule),
        classes,
        {"train": parts["train"], "validation": parts["validation"], "test": parts["test"]},
    )


def _folders(path: Path) -> tuple[str, ...]:
    if not path.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith(".")))


def _listed(root: Path, part: str, classes: Sequence[str]) -> _Files:
    strange = sorted(set(_folders(root / part)) - set(classes))
    if strange:
        raise DataError(f"{root / part}: classes that are missing in train: {', '.join(strange)}; {_LAYOUT}")
    names: list[str] = []
    counts = []
    for label in classes:
        folder = root / part / label
        found = sorted(entry.name for entry in os.scandir(folder) if _is_image(entry)) if folder.is_dir() else []
        if part == "train" and not found:
            raise DataError(f"{folder}: no images ({', '.join(_SUFFIXES)}) found; remove the folder")
        names += (f"{part}/{label}/{name}" for name in found)
        counts.append(len(found))
    if not names:
        raise DataError(f"{root / part}: no images found; {_LAYOUT}")
    return _Files(tuple(names), np.repeat(np.arange(len(classes)), counts))


def _is_image(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(_SUFFIXES) and entry.is_file()
