"""Engines execute a model: one interface, one file each."""

from wpconvert.engines.base import Engine
from wpconvert.engines.litert import LiteRtEngine
from wpconvert.engines.native import NativeEngine
from wpconvert.engines.onnxruntime import OnnxRuntimeEngine
from wpconvert.engines.reference import ReferenceEngine
from wpconvert.engines.target import TargetEngine
from wpconvert.graph.types import Sample
from wpconvert.target.board import boards

_ENGINES: list[Engine] = [ReferenceEngine(), NativeEngine(), LiteRtEngine(), *map(TargetEngine, boards().values())]

ENGINES: dict[str, Engine] = {engine.name: engine for engine in _ENGINES}
"""What executes `.tflite` models."""
ONNX_ENGINE = OnnxRuntimeEngine()
"""What executes `.onnx` models."""

__all__ = ["ENGINES", "ONNX_ENGINE", "Engine", "Sample"]
