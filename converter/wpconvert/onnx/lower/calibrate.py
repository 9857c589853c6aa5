"""Static quantisation of a float model with ONNX Runtime's quantiser."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from wpconvert.errors import FileError, UnsupportedError, UsageError


class _Samples(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Feeds one sample at a time."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        count = len(next(iter(arrays.values())))
        self._feeds: Iterator[dict[str, NDArray[Any]]] = (
            {name: values[index : index + 1] for name, values in arrays.items()} for index in range(count)
        )

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._feeds, None)


def calibrate(path: Path, samples: Path) -> onnx.ModelProto:
    """The model quantised for the runtime: QDQ, int8 activations, symmetric int8 weights per channel.

    `samples` is an `.npz` file with one array per input, named as it, [samples, ...] of the input's type; where both
    have one, names do not matter. Activation ranges are the smallest and largest values seen.
    """
    with tempfile.TemporaryDirectory(prefix="wpconvert-") as folder:
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "quantised.onnx"
        level = logging.getLogger().level
        try:
            # Folds batch normalisation into convolutions, which the quantiser does not.
            quant_pre_process(path, prepared, skip_symbolic_shape=True)
            model = onnx.load(prepared)
            quantization.quantize_static(
                prepared,
                quantised,
                _Samples(_matched(model, _read(samples), samples)),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        except (UsageError, FileError):
            raise
        except Exception as error:
            # ONNX Runtime raises several classes, most of them its own, without a common base.
            raise UnsupportedError(f"{path}: ONNX Runtime cannot quantise it: {error}") from error
        finally:
            logging.getLogger().setLevel(level)
        return onnx.load(quantised)


def _read(samples: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(samples) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except OSError as error:
        raise FileError(f"{samples}: {error.strerror or error}") from error
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{samples}: expected an .npz file with one array per input: {error}") from error
    if not arrays or any(values.ndim == 0 or len(values) == 0 for values in arrays.values()):
        raise UsageError(f"{samples}: expected arrays of at least one sample")
    return arrays


def _matched(model: onnx.ModelProto, arrays: dict[str, NDArray[Any]], samples: Path) -> dict[str, NDArray[Any]]:
    """The arrays by input name, as float32."""
    initializers = {tensor.name for tensor in model.graph.initializer}
    names = [info.name for info in model.graph.input if info.name not in initializers]
    if len(names) == 1 and len(arrays) == 1:
        arrays = {names[0]: next(iter(arrays.values()))}
    missing = [name for name in names if name not in arrays]
    if missing:
        raise UsageError(f"{samples}: no array for the input {missing[0]!r}; it has {', '.join(arrays)}")
    chosen = {name: arrays[name].astype(np.float32) for name in names}
    if len({len(values) for values in chosen.values()}) > 1:
        raise UsageError(f"{samples}: its arrays differ in their numbers of samples")
    return chosen
