"""Which engine verifies: the fastest one that is exact, and what steps in where it cannot."""

from __future__ import annotations

from collections.abc import Sequence

from wpconvert.engines import ENGINES, ONNX_ENGINE
from wpconvert.engines.base import Engine, TracingEngine
from wpconvert.engines.inputs import NO_VERIFY
from wpconvert.errors import UnsupportedError, UsageError
from wpconvert.graph.executable import Executable

EXACT = ("native", "reference")
"""The engines that compute what the device computes, fastest first."""
LAST = "litert"


def engine_named(name: str | None) -> Engine | None:
    """The engine of that name for `.tflite` models, None where none is named; UsageError naming the known ones."""
    if name is None:
        return None
    engine = ENGINES.get(name)
    if engine is None:
        problem = (
            f"engine {name!r} is only for .onnx models" if name == ONNX_ENGINE.name else f"unknown engine {name!r}"
        )
        raise UsageError(f"{problem}, expected one of {', '.join(ENGINES)}")
    return engine


def candidates(engine: Engine | None) -> list[Engine]:
    """The engines to try, in order; None: no one has chosen."""
    first = _asked(engine)
    return first if LAST in [one.name for one in first] else [*first, ENGINES[LAST]]


def _asked(engine: Engine | None) -> list[Engine]:
    return [ENGINES[name] for name in EXACT] if engine is None else [engine]


def problem_of(engine: Engine, models: Sequence[Executable]) -> str | None:
    """Why an engine cannot run one of these models; None where nothing is known to be in the way."""
    try:
        return next((problem for model in models for problem in engine.unsupported(model)), None)
    except UnsupportedError as error:
        return str(error)


def running_engine(engine: Engine | None, model: Executable) -> Engine:
    """That engine, or the fastest exact one; UnsupportedError where it cannot run the model."""
    tried: list[tuple[Engine, str]] = []
    for one in _asked(engine):
        problem = problem_of(one, [model])
        if problem is None:
            return one
        tried.append((one, problem))
    raise no_engine(tried)


def exact_engines() -> list[TracingEngine]:
    """The engines that compute what the device computes, fastest first."""
    return [engine for engine in _asked(None) if isinstance(engine, TracingEngine)]


def exact_engine(model: Executable) -> TracingEngine | None:
    """The fastest exact engine that runs a model."""
    return next((engine for engine in exact_engines() if problem_of(engine, [model]) is None), None)


def no_engine(tried: Sequence[tuple[Engine, str]]) -> UnsupportedError:
    """That all these engines failed, and why."""
    reasons = "; ".join(f"{engine.name}: {problem}" for engine, problem in tried)
    return UnsupportedError(f"no engine can run this model for verification: {reasons}; {NO_VERIFY}")
