"""Lowers a quantised ONNX model to an int8 `.tflite` model."""

from wpconvert.lowering.calibrate import calibrate
from wpconvert.lowering.flow import Lowered, Mapping, lower

__all__ = ["Lowered", "Mapping", "calibrate", "lower"]
