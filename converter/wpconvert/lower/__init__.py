"""Lowers a quantised ONNX model to an int8 `.tflite` model."""

from wpconvert.lower.calibrate import calibrate
from wpconvert.lower.flow import Lowered, Mapping, lower

__all__ = ["Lowered", "Mapping", "calibrate", "lower"]
