"""What runs a rewritten model."""

from __future__ import annotations

BUNDLED, TFLM = "bundled", "tflm"
RUNTIMES = (BUNDLED, TFLM)
"""The bundled runtime, or TensorFlow Lite Micro with CMSIS-NN and our operators."""
