"""Files made from a dataset: samples for measuring a model, and an archive of its images."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wpconvert.errors import UsageError

from .module import DataModule, SplitName
from .sets.images import PARTS

# The suffix of an archive's name, and the mode of tarfile that writes it.
ARCHIVES: dict[str, Literal["w:", "w:xz"]] = {".tar": "w:", ".xz": "w:xz"}
_CHUNK = 256


def choose(labels: NDArray[np.int64], per_class: int | None, seed: int) -> NDArray[np.int64]:
    """Indices of `per_class` samples of each class, drawn with `seed` and in rising order; None: of all samples.

    Raises UsageError when a class has fewer.
    """
    if per_class is None:
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    chosen = []
    for label in range(int(labels.max(initial=-1)) + 1):
        members = np.flatnonzero(labels == label)
        if len(members) < per_class:
            raise UsageError(f"--per-class {per_class}: class {label} has {len(members)} samples")
        chosen.append(generator.permutation(members)[:per_class])
    return np.sort(np.concatenate(chosen))


def samples_file(module: DataModule, split: SplitName, per_class: int | None, seed: int) -> bytes:
    """An .npz with `samples` float32 [n, height, width, channels] and `labels` int64 [n], for `wpconvert --eval`.

    Raises UsageError as `choose` does.
    """
    samples, labels = module.batch(split, choose(module.labels(split), per_class, seed))
    content = io.BytesIO()
    np.savez_compressed(content, samples=samples, labels=labels)
    return content.getvalue()


def archive(module: DataModule, suffix: str, quality: int, per_class: int | None, seed: int) -> bytes:
    """A tar archive of JPEG images for `images:PATH`: `train/CLASS/NUMBER.jpg`, `test/CLASS/NUMBER.jpg`.

    Training and validation images are below `train`, for `images:PATH` holds out itself. `per_class` limits the images
    of a class in each part; `suffix` is a key of ARCHIVES. The same arguments give the same bytes, with the same
    version of Pillow. Raises UsageError for samples that are no images, or as `choose` does.
    """
    content = io.BytesIO()
    sources: dict[str, tuple[SplitName, ...]] = {"train": ("train", "validation"), "test": ("test",)}
    with tarfile.open(fileobj=content, mode=ARCHIVES[suffix]) as file:
        for part in PARTS:
            _add(file, module, part, sources[part], quality, per_class, seed)
    return content.getvalue()


def _add(
    file: tarfile.TarFile,
    module: DataModule,
    part: str,
    splits: tuple[SplitName, ...],
    quality: int,
    per_class: int | None,
    seed: int,
) -> None:
    labels = np.concatenate([module.labels(split) for split in splits])
    chosen = choose(labels, per_class, seed)
    counts = [0] * len(module.classes)
    start = 0
    for split in splits:
        size = len(module.labels(split))
        inside = chosen[(chosen >= start) & (chosen < start + size)] - start
        start += size
        for first in range(0, len(inside), _CHUNK):
            samples, found = module.batch(split, inside[first : first + _CHUNK])
            for sample, label in zip(samples, found.tolist(), strict=True):
                name = f"{part}/{_folder(module.classes[label])}/{counts[label]:05}.jpg"
                counts[label] += 1
                content = _jpeg(sample, quality)
                member = tarfile.TarInfo(name)
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))


def _folder(label: str) -> str:
    """A class's name as that of a folder."""
    return label.replace("/", "-")


def _jpeg(sample: NDArray[np.float32], quality: int) -> bytes:
    if sample.shape[2] not in {1, 3} or sample.min() < 0 or sample.max() > 1:
        raise UsageError("the samples of this dataset are no images; give a dataset of images")
    pixels = np.rint(sample * 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels[..., 0] if sample.shape[2] == 1 else pixels).save(content, "JPEG", quality=quality)
    return content.getvalue()


def archive_suffix(path: Path) -> str:
    """The key in ARCHIVES of a name that ends in .tar or .tar.xz; UsageError for another one."""
    if path.name.endswith((".tar", ".tar.xz")):
        return path.suffix
    raise UsageError(f"--out {path}: expected a name that ends in .tar or .tar.xz")
