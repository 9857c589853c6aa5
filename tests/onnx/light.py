"""Networks that nobody here made: those that the onnx package carries for its own tests, with weights drawn for them.

Their files have nodes that make constants of one value where the weights would be.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper
from onnxruntime import quantization

from wpconvert.lowering import calibrate
from wpconvert.lowering.opset import OPSET, upgraded

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"

NAMES = (
    "squeezenet",
    "shufflenet",
    "inception_v1",
    "densenet121",
    "inception_v2",
    "resnet50",
    "bvlc_alexnet",
    "zfnet512",
    "vgg19",
)
"""All of them, from 1.2 to 144 million weights."""

IMAGE = (1, 3, 224, 224)
"""The shape of every model's input."""

_ZEROS = 0.8
"""The share of weights that are zero, as in a pruned network."""

_BATCH_NORM = {1: (0.5, 1.5), 2: (-0.2, 0.2), 3: (-0.2, 0.2), 4: (0.5, 1.5)}
"""Ranges of scale, shift, mean and variance, by input."""


def path_of(name: str) -> Path:
    """The file in the onnx package."""
    return FOLDER / f"light_{name}.onnx"


def with_weights(name: str, few_values: bool = False) -> ModelProto:
    """The model with pruned random weights of a size that keeps activations in range, in its own operator set.

    few_values: each weight has at most 15 of them.
    """
    model = onnx.load(path_of(name))
    graph = model.graph
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    readers = defaultdict(list)
    for node in graph.node:
        for position, read in enumerate(node.input):
            readers[read].append((node, position))
    constants = [node for node in graph.node if node.op_type == "ConstantOfShape"]
    random = np.random.default_rng(0)
    unused = set()
    for node in constants:
        shape = tuple(int(side) for side in shapes[node.input[0]])
        weight = _drawn(shape, readers, node.output[0], few_values, random)
        graph.node.remove(node)
        unused.add(node.input[0])
        graph.initializer.append(numpy_helper.from_array(weight, node.output[0]))
        graph.input.append(helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, shape))
    for held in (graph.initializer, graph.input):
        kept = [one for one in held if one.name not in unused]
        del held[:]
        held.extend(kept)
    return model


def _drawn(
    shape: tuple[int, ...],
    readers: dict[str, list[tuple[NodeProto, int]]],
    name: str,
    few_values: bool,
    random: np.random.Generator,
) -> NDArray[np.float32]:
    reader, position = readers[name][0]
    if len(shape) > 1:
        drawn: NDArray[np.float32] = random.standard_normal(shape, np.float32)
        if few_values:
            drawn = (np.clip(np.rint(2 * drawn), -7, 7) / 2).astype(np.float32)
        drawn *= random.random(shape, np.float32) >= _ZEROS
        drawn *= np.float32(np.sqrt(2 / (np.prod(shape[1:]) * (1 - _ZEROS))))
        return drawn
    if reader.op_type == "Unsqueeze":
        [(reader, _)] = readers[reader.output[0]]
    if reader.op_type == "BatchNormalization":
        low, high = _BATCH_NORM[position]
    else:
        low, high = (0.5, 1.5) if reader.op_type == "Mul" else (-0.2, 0.2)
    return random.uniform(low, high, shape).astype(np.float32)


def images(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Random images [count, 3, 224, 224] of mean 0 and variance 1 that have edges and plains, as photographs do."""
    random = np.random.default_rng(seed)
    drawn: NDArray[np.float32] = np.zeros((count, *IMAGE[1:]), np.float32)
    for side in (7, 28, 112, 224):
        coarse = random.standard_normal((count, 3, side, side), np.float32)
        times = IMAGE[2] // side
        drawn += coarse.repeat(times, 2).repeat(times, 3)
    return drawn / np.float32(2)


class _Samples(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str) -> None:
        self._left: Iterator[dict[str, Any]] = iter([{name: images(1)}])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._left, None)


def quantised(name: str, form: str) -> ModelProto:
    """The model as ONNX Runtime's static quantiser alone makes it, in the form "QDQ" or "QOperator"."""
    model = upgraded(with_weights(name), OPSET)
    constants = {tensor.name for tensor in model.graph.initializer}
    [image] = [info.name for info in model.graph.input if info.name not in constants]
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(model, before)
        quantization.quantize_static(
            before,
            after,
            _Samples(image),
            quant_format=quantization.QuantFormat[form],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        return onnx.load(after)


@cache
def calibrated(name: str) -> ModelProto:
    """The model quantised with two images."""
    with tempfile.TemporaryDirectory() as folder:
        model, samples = Path(folder) / "model.onnx", Path(folder) / "samples.npz"
        onnx.save(with_weights(name), model)
        np.savez(samples, image=images(2))
        return calibrate(model, samples)
