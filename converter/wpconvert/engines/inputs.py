"""Sample inputs for a model: random ones, or those of an .npz file."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.engines.base import Sample
from wpconvert.errors import FileError, UnsupportedError, UsageError
from wpconvert.tflite.model import Quantization, TfliteModel, element_count, quantization_of, shape_of, text
from wpconvert.tflite.schema import DTYPES, TYPE_NAMES

LABELS = "labels"
_MAX_SAMPLE_NBYTES = 1 << 30


@dataclass(frozen=True)
class Inputs:
    """Samples for subgraph 0, the labels that came with them (int[n]) and what was done to make them fit."""

    samples: list[Sample]
    labels: NDArray[np.int64] | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Port:
    """An input of the model."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    quantization: Quantization | None
    span: tuple[float, float]


def _ports(model: TfliteModel) -> list[_Port]:
    graph = model.root.subgraphs[0]
    ports = []
    for index in graph.inputs:
        tensor = graph.tensors[index]
        shape, name = shape_of(tensor), text(tensor.name)
        dtype = DTYPES.get(tensor.type)
        if dtype is None:
            raise UnsupportedError(f"input {name!r} has type {TYPE_NAMES.get(tensor.type, tensor.type)}")
        if element_count(shape) * dtype.itemsize > _MAX_SAMPLE_NBYTES:
            raise UnsupportedError(f"input {name!r} of shape {list(shape)} is too large to make samples for")
        ports.append(_Port(name, shape, dtype, quantization_of(tensor), _span(model, int(index))))
    return ports


def _span(model: TfliteModel, index: int) -> tuple[float, float]:
    """The real values a float input takes: the range of the QUANTIZE that reads it, else −1 to 1."""
    graph = model.root.subgraphs[0]
    for operator in graph.operators or []:
        if model.operator_name(operator) == "QUANTIZE" and len(operator.inputs) and operator.inputs[0] == index:
            target = graph.tensors[operator.outputs[0]]
            quantization, dtype = quantization_of(target), DTYPES.get(target.type)
            if quantization is not None and dtype is not None and np.issubdtype(dtype, np.integer):
                info = np.iinfo(dtype)
                scale, zero = float(quantization.scales[0]), int(quantization.zero_points[0])
                low, high = (info.min - zero) * scale, (info.max - zero) * scale
                if np.isfinite([low, high]).all() and low < high:
                    return low, high
    return -1.0, 1.0


def random_inputs(model: TfliteModel, count: int, seed: int) -> Inputs:
    """`count` samples, uniform over the type's range (integers), the input's real range (floats)."""
    generator = np.random.default_rng(seed)
    ports = _ports(model)
    return Inputs([[_random(port, generator) for port in ports] for _ in range(count)], None)


def _random(port: _Port, generator: np.random.Generator) -> NDArray[Any]:
    if port.dtype == np.bool_:
        return generator.integers(0, 2, port.shape).astype(np.bool_)
    if np.issubdtype(port.dtype, np.integer):
        info = np.iinfo(port.dtype)
        return generator.integers(info.min, info.max, port.shape, dtype=port.dtype, endpoint=True)
    return generator.uniform(*port.span, port.shape).astype(port.dtype)


def load_inputs(path: Path, model: TfliteModel) -> Inputs:
    """Samples of an .npz: one array per input, named as the input (any name when there is one), samples first.

    uint8 values for an int8 input are shifted by 128, float values for an integer input are quantised with its scale;
    both are noted. An array `labels`, int[n], gives the classes. FileError when unreadable, UsageError when it does not
    fit.
    """
    arrays = _load_arrays(path)
    labels = arrays.pop(LABELS, None)
    if labels is not None and not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(f"{path}: the labels are {labels.dtype}, expected integers")
    ports = _ports(model)
    if len(ports) == 1 and len(arrays) == 1:
        arrays = {ports[0].name: next(iter(arrays.values()))}
    missing = [port.name for port in ports if port.name not in arrays]
    if missing:
        raise UsageError(f"{path}: no array for input {missing[0]!r}, found {', '.join(arrays) or 'none'}")
    notes: list[str] = []
    columns = [_column(port, arrays[port.name], path, notes) for port in ports]
    shapes = {(len(column),) for column in columns} | ({labels.shape} if labels is not None else set())
    if len(shapes) > 1:
        raise UsageError(f"{path}: arrays with different numbers of samples")
    samples = [list(values) for values in zip(*columns, strict=True)]
    return Inputs(samples, None if labels is None else labels.astype(np.int64), tuple(notes))


def _load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        if path.is_file() and not zipfile.is_zipfile(path):
            raise FileError(f"{path}: cannot read the inputs: it is not an .npz file")
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise FileError(f"{path}: cannot read the inputs: {error}") from error


def _column(port: _Port, array: NDArray[Any], path: Path, notes: list[str]) -> NDArray[Any]:
    """The samples of one input, [n, *shape]."""
    values = _converted(port, array, path, notes)
    if values.shape == port.shape:
        return values[None]
    if values.shape[1:] == port.shape:
        return values
    if values.shape[1:] == port.shape[1:] and port.shape[0] == 1:
        return values.reshape(-1, *port.shape)
    raise UsageError(
        f"{path}: array for input {port.name!r} has shape {list(array.shape)}, "
        f"expected any number of samples of {list(port.shape)}"
    )


def _converted(port: _Port, array: NDArray[Any], path: Path, notes: list[str]) -> NDArray[Any]:
    if array.dtype == port.dtype:
        return array
    if port.dtype == np.int8 and array.dtype == np.uint8:
        notes.append(f"input {port.name!r}: uint8 values were shifted by 128 to int8")
        return (array.astype(np.int16) - 128).astype(np.int8)
    if np.issubdtype(array.dtype, np.floating) and np.issubdtype(port.dtype, np.floating):
        return array.astype(port.dtype)
    if np.issubdtype(array.dtype, np.floating) and port.quantization is not None and port.dtype.kind in "iu":
        notes.append(f"input {port.name!r}: float values were quantised with its scale and zero point")
        info = np.iinfo(port.dtype)
        if not np.isfinite(array).all():
            raise UsageError(f"{path}: array for input {port.name!r} has values that are not numbers")
        steps = np.rint(array / port.quantization.scales[0]) + port.quantization.zero_points[0]
        quantised: NDArray[Any] = np.clip(steps, info.min, info.max).astype(port.dtype)
        return quantised
    raise UsageError(f"{path}: array for input {port.name!r} is {array.dtype}, expected {port.dtype}")
