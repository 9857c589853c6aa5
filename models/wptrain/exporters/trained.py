"""A trained network as an int8 `.tflite` file, or a float32 `.onnx` one."""

from __future__ import annotations

from ..data.module import DataModule
from ..trained import Trained
from .onnx import to_float_onnx
from .pooled import to_pooled_tflite
from .tflite import to_int8_tflite

# A network sees each of them once, one at a time, while activation ranges are measured.
CALIBRATION_IMAGES = 512


def export(trained: Trained, data: DataModule) -> bytes:
    """The int8 model; weights of a pooled network are exactly pool vectors."""
    convert = to_int8_tflite if trained.pooling is None else to_pooled_tflite
    return convert(trained.network.cpu().eval(), data.calibration(CALIBRATION_IMAGES))


def export_onnx(trained: Trained) -> bytes:
    """The float model. Raises ValueError for a pooled network."""
    if trained.pooling is not None:
        raise ValueError("a network with a weight pool needs --out OUT.tflite, which keeps its vectors")
    return to_float_onnx(trained.network, trained.image_shape)
