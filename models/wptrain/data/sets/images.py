"""Image files in one folder per class, below `train` and `test`; also inside a tar or zip archive."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import FileError
from wptrain.errors import DataError

from .. import splits
from ..augmentation import Augmentation
from ..memory import Images, Split
from ..module import Provenance
from ..readers import pictures
from ..readers.trees import File, files

PARTS = ("train", "test")
LARGEST_SIDE = 1024
_LAYOUT = "expected train/CLASS/IMAGE and test/CLASS/IMAGE"


def load(path: Path) -> Images:
    """All images below `train`, one in ten of them held out for validation, and those below `test`.

    `path` is a folder, or a tar (also compressed) or zip archive of one, which is not unpacked. Classes, and the images
    of a class, are in the order of their names. All images must have one size; they are grey when the first one is,
    else RGB. Raises FileError when `path` cannot be read, DataError for a malformed archive or image.
    """
    if not path.exists():
        raise FileError(f"{path}: no such folder or archive; {_LAYOUT}")
    arrays: dict[str, dict[str, list[tuple[str, NDArray[np.uint8]]]]] = {part: defaultdict(list) for part in PARTS}
    decoder = _Decoder()
    for file in files(path, PARTS):
        arrays[file.part][file.label].append((file.name, decoder.decode(file)))
    classes = tuple(sorted(arrays["train"]))
    if not classes:
        raise DataError(f"{path}: no images found; {_LAYOUT}")
    strange = sorted(set(arrays["test"]) - set(classes))
    if strange or not arrays["test"]:
        problem = (
            f"test has classes that are missing in train: {', '.join(strange)}" if strange else "no test images found"
        )
        raise DataError(f"{path}: {problem}; {_LAYOUT}")
    train, test = (_joined(arrays[part], classes) for part in PARTS)
    kept, held = splits.hold_out(train.labels, f"{path}: train")
    return Images(
        Provenance(
            name=path.name,
            origin="images in folders, one folder a class",
            licence="that of the images",
            split_rule=f"train and test as in the folders; validation: {splits.RULE} of the training images",
        ),
        classes,
        train=Split(train.images[kept], train.labels[kept]),
        validation=Split(train.images[held], train.labels[held]),
        test=test,
        # Photographs, as a rule: an eighth of the height. Whether a mirror image keeps its class nobody knows.
        augmentation=Augmentation(shift=train.images.shape[1] // 8),
    )


def _joined(arrays: dict[str, list[tuple[str, NDArray[np.uint8]]]], classes: tuple[str, ...]) -> Split:
    images = [image for label in classes for _, image in sorted(arrays[label], key=lambda entry: entry[0])]
    labels = [np.full(len(arrays[label]), index, np.int64) for index, label in enumerate(classes)]
    return Split(np.stack(images), np.concatenate(labels))


class _Decoder:
    """Decodes images to what the first one was: its size, grey or RGB."""

    def __init__(self) -> None:
        self._mode = ""
        self._size = (0, 0)

    def decode(self, file: File) -> NDArray[np.uint8]:
        """uint8 [height, width, channels]; DataError when it is no image, or has another size."""
        image = pictures.opened(file.content, file.where)
        # Sizes come before decoding: a header may promise gigabytes.
        self._check(image.size, pictures.is_grey(image), file.where)
        try:
            return pictures.pixels(image.convert(self._mode))
        except Exception as error:
            raise pictures.cannot(file.where, error) from error

    def _check(self, size: tuple[int, int], grey: bool, where: str) -> None:
        if not self._mode:
            if max(size) > LARGEST_SIDE:
                raise DataError(
                    f"{where}: {size[0]} x {size[1]} pixels, expected at most {LARGEST_SIDE} per side; "
                    "folders:PATH reads and scales large images as it goes"
                )
            self._mode, self._size = ("L" if grey else "RGB"), size
        elif size != self._size:
            raise DataError(
                f"{where}: {size[0]} x {size[1]} pixels, the first image has {self._size[0]} x {self._size[1]}; "
                "scale all images to one size, or use folders:PATH"
            )
