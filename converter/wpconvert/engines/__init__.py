"""Engines execute a model: one interface, one file each."""

from wpconvert.engines.base import Engine, Sample
from wpconvert.engines.litert import LiteRtEngine
from wpconvert.engines.reference import ReferenceEngine

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (ReferenceEngine(), LiteRtEngine())}

__all__ = ["ENGINES", "Engine", "Sample"]
