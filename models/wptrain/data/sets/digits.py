"""scikit-learn's digits: 1797 handwritten digits of 8 x 8 pixels, inside the package, nothing to download."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from ..augmentation import Augmentation
from ..memory import Images, Split
from ..module import Provenance

SPLIT_SEED = 0
TEST_IMAGES = 360
VALIDATION_IMAGES = 180
PIXEL_MAX = 16


def load() -> Images:
    """1257 training, 180 validation and 360 test images, stratified by class.

    The split has a seed of its own: another training seed must not move images between the splits.
    """
    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[..., np.newaxis]
    labels = bunch.target.astype(np.int64)
    rest, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_IMAGES, random_state=SPLIT_SEED, stratify=labels
    )
    train, validation = train_test_split(
        rest, test_size=VALIDATION_IMAGES, random_state=SPLIT_SEED, stratify=labels[rest]
    )
    return Images(
        Provenance(
            name="scikit-learn digits",
            origin=(
                "`sklearn.datasets.load_digits`: the test part (1797 images, 13 writers) of E. Alpaydin and "
                "C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998, "
                "doi:10.24432/C50P49"
            ),
            licence="CC BY 4.0 (data, as listed by the UCI repository), BSD-3-Clause (scikit-learn)",
            split_rule=(
                f"two stratified `train_test_split` calls with random_state {SPLIT_SEED}: "
                f"{TEST_IMAGES} test images first, then {VALIDATION_IMAGES} validation images from the rest"
            ),
        ),
        classes=tuple(str(digit) for digit in bunch.target_names),
        train=Split(images[train], labels[train], PIXEL_MAX),
        validation=Split(images[validation], labels[validation], PIXEL_MAX),
        test=Split(images[test], labels[test], PIXEL_MAX),
        augmentation=Augmentation(shift=1),
    )
