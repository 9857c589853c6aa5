"""Sample inputs for a model: random ones, or those of an .npz file."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.engines.base import Trace
from wpconvert.engines.distributions import drawn
from wpconvert.errors import FileError, UnsupportedError, UsageError
from wpconvert.graph.executable import Executable
from wpconvert.graph.structure import Subgraph, Tensor
from wpconvert.graph.types import Quantization, Sample

LABELS = "labels"
NO_VERIFY = "--no-verify converts without running the models"
"""What to do where a model cannot be verified."""
_MAX_SAMPLE_NBYTES = 1 << 30


@dataclass(frozen=True)
class KnownTraces:
    """What a model computes from samples, in the engine of that name, by one who had to find out."""

    model: Executable
    engine: str
    traces: list[Trace]


@dataclass(frozen=True)
class Inputs:
    """Samples for subgraph 0, the labels that came with them (int[n]) and what was done to make them fit."""

    samples: list[Sample]
    labels: NDArray[np.int64] | None
    notes: tuple[str, ...] = ()
    known: KnownTraces | None = None


@dataclass(frozen=True)
class Port:
    """An input of the model. shape: None for a size that the model leaves open. span: the values of random samples."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    quantization: Quantization | None
    span: tuple[float, float]


def check_sample_nbytes(name: str, shape: tuple[int | None, ...], dtype: np.dtype[Any]) -> None:
    """UnsupportedError where a sample of one input would not fit in memory."""
    if math.prod(size or 1 for size in shape) * dtype.itemsize > _MAX_SAMPLE_NBYTES:
        raise UnsupportedError(f"input {name!r} of shape {list(shape)} is too large for random samples; {NO_VERIFY}")


def ports_of(model: Executable) -> list[Port]:
    """The inputs of subgraph 0."""
    main = model.graph.main
    ports = []
    for tensor in main.inputs:
        dtype = tensor.dtype.numpy
        if dtype is None:
            raise UnsupportedError(f"input {tensor.name!r} has type {tensor.dtype}, which no engine takes; {NO_VERIFY}")
        check_sample_nbytes(tensor.name, tensor.shape, dtype)
        ports.append(Port(tensor.name, tensor.shape, dtype, tensor.quantization, _span(main, tensor)))
    return ports


def _span(main: Subgraph, tensor: Tensor) -> tuple[float, float]:
    """The real values a float input takes: the range of the QUANTIZE that reads it, else −1 to 1."""
    for operator in main.operators:
        if operator.kind == "QUANTIZE" and operator.optional(0) is tensor:
            quantization, dtype = operator.outputs[0].quantization, operator.outputs[0].dtype.numpy
            if quantization is not None and dtype is not None and np.issubdtype(dtype, np.integer):
                info = np.iinfo(dtype)
                scale, zero = float(quantization.scales[0]), int(quantization.zero_points[0])
                low, high = (info.min - zero) * scale, (info.max - zero) * scale
                if np.isfinite([low, high]).all() and low < high:
                    return low, high
    return -1.0, 1.0


def random_inputs(model: Executable, count: int, seed: int) -> Inputs:
    """`random_samples` for a `.tflite` model."""
    return random_samples(ports_of(model), count, seed)


def random_samples(ports: Sequence[Port], wanted: int, seed: int) -> Inputs:
    """The first so many of `sample_stream`."""
    return Inputs(list(islice(sample_stream(ports, seed), wanted)), None)


def sample_stream(ports: Sequence[Port], seed: int) -> Iterator[Sample]:
    """Random samples without end; open sizes are 1.

    The first one is uniform over the span of the input (floats) or the type's range (8 and 16 bits), the next ones are
    of other kinds around its zero. Wider integers are 0 and 1: they are, as a rule, numbers of tokens, rows or sizes,
    which have to exist.
    """
    generator = np.random.default_rng(seed)
    for number in count():
        yield [_random(port, number, generator) for port in ports]


def _random(port: Port, number: int, generator: np.random.Generator) -> NDArray[Any]:
    shape = [1 if size is None else size for size in port.shape]
    if port.dtype == np.bool_ or (port.dtype.kind in "iu" and port.dtype.itemsize >= 4):
        return generator.integers(0, 2, shape).astype(port.dtype)
    if not np.issubdtype(port.dtype, np.integer):
        low, high = port.span
        return drawn(number, generator, shape, low, high, min(max(0.0, low), high)).astype(port.dtype)
    info = np.iinfo(port.dtype)
    if number == 0:
        return generator.integers(info.min, info.max, shape, dtype=port.dtype, endpoint=True)
    zero = (info.min + info.max + 1) // 2 if port.quantization is None else int(port.quantization.zero_points[0])
    centre = min(max(zero, info.min), info.max)
    return np.rint(drawn(number, generator, shape, info.min, info.max, centre)).astype(port.dtype)


def load_samples(path: Path, ports: Sequence[Port]) -> Inputs:
    """Samples of an .npz: one array per input, named as the input (any name when there is one), samples first.

    uint8 values for an int8 input are shifted by 128, float values for an integer input are quantised with its scale;
    both are noted. Any integers in its range are for a 32- or 64-bit input. An array `labels`, int[n], gives the
    classes. FileError when unreadable, UsageError when it does not fit.
    """
    arrays = load_arrays(path)
    labels = None if any(port.name == LABELS for port in ports) else arrays.pop(LABELS, None)
    if labels is not None and not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(f"{path}: the labels have type {labels.dtype}, expected integers")
    arrays = by_input(arrays, [port.name for port in ports], path)
    notes: list[str] = []
    columns = [_column(port, arrays[port.name], path, notes) for port in ports]
    shapes = {(len(column),) for column in columns} | ({labels.shape} if labels is not None else set())
    if len(shapes) > 1:
        raise UsageError(f"{path}: the arrays have different numbers of samples")
    samples = [list(values) for values in zip(*columns, strict=True)]
    return Inputs(samples, None if labels is None else labels.astype(np.int64), tuple(notes))


def by_input(arrays: dict[str, NDArray[Any]], names: Sequence[str], path: Path) -> dict[str, NDArray[Any]]:
    """The arrays under the inputs' names, of which one may have any where there is one. UsageError for one missing."""
    if len(names) == len(arrays) == 1:
        return {names[0]: next(iter(arrays.values()))}
    missing = [name for name in names if name not in arrays]
    if missing:
        raise UsageError(f"{path}: no array for input {missing[0]!r}, found {', '.join(arrays) or 'none'}")
    return arrays


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name. FileError for one that cannot be read."""
    try:
        if path.is_file() and not zipfile.is_zipfile(path):
            raise FileError(f"{path}: cannot read the inputs: not an .npz file")
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise FileError(f"{path}: cannot read the inputs: {getattr(error, 'strerror', None) or error}") from error


def _column(port: Port, array: NDArray[Any], path: Path, notes: list[str]) -> NDArray[Any]:
    """The samples of one input, [n, *shape]."""
    values = _converted(port, array, path, notes)
    # An open first size is that of a batch, and samples are compared one by one.
    batched = bool(port.shape) and port.shape[0] is None and _fits(values.shape[1:], port.shape[1:])
    if _fits(values.shape, port.shape) and not batched:
        return values[None]
    if _fits(values.shape[1:], port.shape) and values.ndim:
        return values
    if port.shape and port.shape[0] in (1, None) and _fits(values.shape[1:], port.shape[1:]):
        return values[:, None]
    expected = ["any" if size is None else size for size in port.shape]
    raise UsageError(
        f"{path}: array for input {port.name!r} has shape {list(array.shape)}, expected samples of shape {expected}"
    )


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(w in (None, size) for size, w in zip(shape, wanted, strict=True))


def _converted(port: Port, array: NDArray[Any], path: Path, notes: list[str]) -> NDArray[Any]:
    if array.dtype == port.dtype:
        return array
    if port.dtype == np.int8 and array.dtype == np.uint8:
        notes.append(f"input {port.name!r}: uint8 values were shifted by 128 to int8")
        return (array.astype(np.int16) - 128).astype(np.int8)
    if array.dtype.kind in "iu" and port.dtype.kind in "iu" and port.dtype.itemsize >= 4:
        info = np.iinfo(port.dtype)
        if array.size and (int(array.min()) < info.min or int(array.max()) > info.max):
            raise UsageError(f"{path}: array for input {port.name!r} has values out of the range of {port.dtype}")
        return array.astype(port.dtype)
    if array.dtype.kind in "fiub" and np.issubdtype(port.dtype, np.floating):
        return array.astype(port.dtype)
    if np.issubdtype(array.dtype, np.floating) and port.quantization is not None and port.dtype.kind in "iu":
        notes.append(f"input {port.name!r}: float values were quantised with its scale and zero point")
        info = np.iinfo(port.dtype)
        if not np.isfinite(array).all():
            raise UsageError(f"{path}: array for input {port.name!r} has values that are not finite")
        steps = np.rint(array / port.quantization.scales[0]) + port.quantization.zero_points[0]
        quantised: NDArray[Any] = np.clip(steps, info.min, info.max).astype(port.dtype)
        return quantised
    raise UsageError(f"{path}: array for input {port.name!r} is {array.dtype}, expected {port.dtype}")
