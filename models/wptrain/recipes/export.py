"""A trained network as an int8 `.tflite` file."""

from __future__ import annotations

from ..data.dataset import Dataset
from ..export import to_int8_tflite
from ..pooled_export import to_pooled_tflite
from ..trained import Trained

# A network sees each of them once, one at a time, while activation ranges are measured.
CALIBRATION_IMAGES = 512


def export(trained: Trained, dataset: Dataset) -> bytes:
    """The int8 model; weights of a pooled network are exactly pool vectors."""
    split = dataset.train
    calibration = type(split)(
        split.images[:CALIBRATION_IMAGES], split.labels[:CALIBRATION_IMAGES], pixel_max=split.pixel_max
    )
    convert = to_int8_tflite if trained.pooling is None else to_pooled_tflite
    return convert(trained.network.cpu().eval(), calibration)
