"""Lowers a quantised ONNX model to an int8 `.tflite` model."""

from wpconvert.onnx.lower.calibrate import calibrate
from wpconvert.onnx.lower.flow import Lowered, Mapping, lower

__all__ = ["Lowered", "Mapping", "calibrate", "lower"]
